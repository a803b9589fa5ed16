package bridge

import "container/list"

// maxOrigins bounds how many other servers are remembered. The one that was silent for longest is forgotten first.
const maxOrigins = 4096

// verdict says what a sequence number tells of a message.
type verdict uint8

const (
	fresh     verdict = iota // above all of its origin
	duplicate                // the last of its origin again
	late                     // below the last of its origin
)

// origins know the last sequence number of each origin. They belong to one goroutine.
type origins struct {
	most  int
	known map[uint64]*list.Element // of origin
	order list.List                // the one that spoke last is in front
}

type origin struct {
	id   uint64
	last uint64
}

// judge says whether a message is to be delivered: only what is above the last of its origin is. An origin that is not known, or not any
// more, begins anywhere.
func (o *origins) judge(id, sequence uint64) verdict {
	if element, ok := o.known[id]; ok {
		known := element.Value.(*origin)
		o.order.MoveToFront(element)
		switch {
		case sequence == known.last:
			return duplicate
		case sequence < known.last:
			return late
		}
		known.last = sequence
		return fresh
	}
	if o.known == nil {
		o.known = make(map[uint64]*list.Element)
	}
	for len(o.known) >= o.most {
		oldest := o.order.Back()
		delete(o.known, oldest.Value.(*origin).id)
		o.order.Remove(oldest)
	}
	o.known[id] = o.order.PushFront(&origin{id, sequence})
	return fresh
}
