package main

import (
	"bytes"
	"time"
)

// contentType is that of every message that is published; the body itself does not matter.
const contentType = "application/protobuf"

// published is the result of a round of publishing.
type published struct {
	Count     int `json:"count"`
	Confirmed int `json:"confirmed"`
	Nacked    int `json:"nacked"`
	// Returned is missing when the library does not tell.
	Returned *int    `json:"returned"`
	Seconds  float64 `json:"seconds"`
	P50      int64   `json:"p50_us"`
	P99      int64   `json:"p99_us"`
}

// timed adds how long the round and each of its messages took.
func (p published) timed(began time.Time, latencies []time.Duration) published {
	p.Seconds = time.Since(began).Seconds()
	p.P50 = percentile(latencies, 0.50)
	p.P99 = percentile(latencies, 0.99)
	return p
}

func body(size int) []byte {
	return bytes.Repeat([]byte{'o'}, size)
}
