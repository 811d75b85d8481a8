package main

import "sync"

// gate lets as many messages through as a round has.
type gate struct {
	mutex  sync.Mutex
	change *sync.Cond
	left   int
	closed bool
}

func newGate() *gate {
	gate := &gate{}
	gate.change = sync.NewCond(&gate.mutex)
	return gate
}

// open begins a round.
func (g *gate) open(count int) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.left += count
	g.change.Broadcast()
}

// close lets nothing through any more.
func (g *gate) close() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.closed = true
	g.change.Broadcast()
}

// enter waits until a message may go on; false says that there is no further round.
func (g *gate) enter() bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for g.left == 0 && !g.closed {
		g.change.Wait()
	}
	if g.closed {
		return false
	}
	g.left--
	return true
}
