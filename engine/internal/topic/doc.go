// Package topic holds who subscribes to which topics, and the last value of each topic.
// Names and patterns are those of NATS:
//
//	orders.eu.new     a name: tokens between dots; as a pattern, that name alone
//	orders.*.new      one token, any, in the place of the star
//	orders.>          one token or more, at the end only
//
// NATS takes a token such as "a*b" literally. It is refused here, in names and in
// patterns, so that what looks like a wildcard is one.
//
// # Structure
//
// A [Table] keeps the subscribers of each pattern in a [Set]: a dense slice of what to
// send to, in no order, and beside it a slice that says whose each member is. A
// subscriber has a slice of entries, each the index of a set and a position in it, and the
// set knows the place of that entry. So both ends of a membership find the other, and
// either slice is filled up from its end when one is taken out: no search, no gap. That
// is 24 bytes without a pointer, and up to an eighth more as slices grow.
//
// A map leads from a pattern to its set, also for the name that a message is sent to.
// Patterns with wildcards stand besides in a tree of tokens. A message's name walks down
// it along its own tokens and the wildcards, and looks at no node twice, so it costs no
// more than there are tokens in all those patterns, nor, where each has at most d tokens,
// than there are nodes in a binary tree of that depth: who lets others choose patterns
// bounds d ([CheckDepth]). [Retained] keeps names in such a tree, which patterns walk.
//
// Sets and nodes go with their last user, slices shrink when more than half of them is
// unused, maps bucket by bucket, and chunks of slabs go when nothing in them is used.
// Bytes counts what there is at the moment: slices by their capacity, the rest by its number.
//
// Nothing here locks: the user, which is one loop, holds its mutex.
package topic
