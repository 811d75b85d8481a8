package main

import (
	"context"
	"fmt"
	"time"

	wmamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"golang.org/x/sync/errgroup"
)

// watermillPublish publishes with as many goroutines, each with a channel of the publisher's pool,
// as messages may be in flight: Publish returns only after the confirm.
func watermillPublish(ctx context.Context, told options, driver *driver) error {
	publisher, err := wmamqp.NewPublisher(watermillPublishing(told, told.inFlight), watermillLogger())
	if err != nil {
		return fmt.Errorf("connecting to the broker: %w", err)
	}
	defer publisher.Close()
	body := body(told.bodyBytes)
	round := func() (any, error) {
		began := time.Now()
		latencies := make([]time.Duration, told.count)
		indices := make(chan int)
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			defer close(indices)
			for index := range told.count {
				select {
				case indices <- index:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
		for range told.inFlight {
			group.Go(func() error {
				for index := range indices {
					start := time.Now()
					if err := publisher.Publish(told.routingKey, watermillMessage(index, body)); err != nil {
						return fmt.Errorf("publishing message %d: %w", index, err)
					}
					latencies[index] = time.Since(start)
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		// A nack is an error of Publish. What the broker returns is not told.
		result := published{Count: told.count, Confirmed: told.count}
		return result.timed(began, latencies), nil
	}
	if err := driver.ready(watermillModule, watermillAMQPModule); err != nil {
		return err
	}
	return driver.rounds(round)
}
