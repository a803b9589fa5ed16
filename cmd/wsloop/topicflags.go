package main

import (
	"flag"
	"slices"

	"github.com/wsloop/wsloop/engine"
)

// addTopics are those of -mode topics.
func addTopics(flags *flag.FlagSet, s *engine.Server) {
	flags.Func("retain", "`pattern` of topics that keep their last message for late subscribers, may be repeated", func(pattern string) error {
		topicOf(s, pattern).Retain = true
		return nil
	})
	flags.Func("conflate", "`pattern` of topics of which a slow receiver gets the newest message only, may be repeated; of all patterns here and of -retain the first that matches counts",
		func(pattern string) error {
			topicOf(s, pattern).Conflate = true
			return nil
		})
	flags.Int64Var(&s.MaxRetainedBytes, "max-retained", 0, "most `bytes` of messages that topics keep (default 64 MiB, or a quarter of -max-memory)")
	flags.IntVar(&s.MaxSubscriptions, "max-subscriptions", engine.DefaultMaxSubscriptions, "most subscriptions of one connection, and most topics whose count it watches")
	flags.IntVar(&s.MaxWildcardTokens, "max-wildcard-tokens", engine.DefaultMaxWildcardTokens, "most tokens of a pattern with wildcards")
}

// checkTopics says what is wrong with these flags, if anything.
func (c *serveConfig) checkTopics() (wrong string) {
	if len(c.server.Topics) > 0 && c.mode != "topics" {
		return "-retain and -conflate are for -mode topics"
	}
	return ""
}

// topicOf finds what holds for a pattern, or adds it behind the others.
func topicOf(s *engine.Server, pattern string) *engine.Topic {
	i := slices.IndexFunc(s.Topics, func(t engine.Topic) bool { return t.Pattern == pattern })
	if i < 0 {
		i = len(s.Topics)
		s.Topics = append(s.Topics, engine.Topic{Pattern: pattern})
	}
	return &s.Topics[i]
}
