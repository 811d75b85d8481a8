// Package pause says how long to wait before something is tried again.
package pause

import (
	"context"
	"math/rand/v2"
	"time"
)

// Steps are growing waits.
type Steps struct {
	// First is the longest wait before the second try.
	First time.Duration
	// Longest is what no wait exceeds.
	Longest time.Duration
}

// Before is the wait after so many failures in a row (1, 2, …): doubled with each, and a random
// part of that, so that many callers do not come back at once.
func (s Steps) Before(failures int) time.Duration {
	most := s.First
	for i := 1; i < failures && most < s.Longest; i++ {
		most *= 2
	}
	most = min(most, s.Longest)
	return most/2 + rand.N(most/2+1)
}

// Wait returns early, with the context's error, when that ends.
func Wait(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
