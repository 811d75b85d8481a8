package events

import "context"

// SeenMax is how many ids [Recent] keeps: repeats come soon after the first, when a publisher or a
// consumer has lost its connection, and 100,000 ids of 36 characters take about 10 MB.
const SeenMax = 100_000

// Seen remembers which events have been handled. [Recent] forgets at the end of the program: put a
// table of your own database behind it, written in the handler's transaction, for what must never
// be done twice.
type Seen interface {
	// Has tells whether the event was handled before.
	Has(ctx context.Context, eventID string) (bool, error)
	// Add remembers that it has been handled.
	Add(ctx context.Context, eventID string) error
}

// Recent remembers the last ids in memory. It is for one consumer, not for several goroutines.
type Recent struct {
	ids  map[string]struct{}
	ring []string
	next int
}

// NewRecent remembers at most so many ids.
func NewRecent(most int) *Recent {
	return &Recent{ids: make(map[string]struct{}), ring: make([]string, max(most, 1))}
}

// Has tells whether the id is among the last.
func (r *Recent) Has(_ context.Context, eventID string) (bool, error) {
	_, known := r.ids[eventID]
	return known, nil
}

// Add forgets the oldest id when there are too many.
func (r *Recent) Add(_ context.Context, eventID string) error {
	if _, known := r.ids[eventID]; known {
		return nil
	}
	if oldest := r.ring[r.next]; oldest != "" {
		delete(r.ids, oldest)
	}
	r.ring[r.next] = eventID
	r.ids[eventID] = struct{}{}
	r.next = (r.next + 1) % len(r.ring)
	return nil
}
