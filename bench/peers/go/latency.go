package main

import (
	"math"
	"slices"
	"time"
)

// percentile of some durations is the smallest one that the given part of them does not exceed,
// in microseconds.
func percentile(durations []time.Duration, part float64) int64 {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	rank := int(math.Ceil(part * float64(len(sorted))))
	return sorted[max(rank, 1)-1].Microseconds()
}
