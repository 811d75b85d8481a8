package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	wmamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
)

// watermillConsume consumes with several handlers in one router, for a handler takes the next
// message only when the one before is acknowledged.
//
// The router runs from the beginning to the end, and its handlers wait for the rounds: a
// subscriber that is closed may give messages back whose handlers have succeeded.
func watermillConsume(ctx context.Context, told options, driver *driver) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pool, err := openPool(ctx, told.postgres)
	if err != nil {
		return err
	}
	defer pool.Close()
	handlers := min(told.prefetch, watermillHandlersMax)
	config := watermillConfig(told)
	config.Consume.Qos.PrefetchCount = told.prefetch / handlers
	subscriber, err := wmamqp.NewSubscriber(config, watermillLogger())
	if err != nil {
		return fmt.Errorf("connecting to the broker: %w", err)
	}
	router, err := message.NewRouter(message.RouterConfig{}, watermillLogger())
	if err != nil {
		return err
	}
	gate := newGate()
	inbox := inbox{pool}
	outcomes := make(chan handled)
	for index := range handlers {
		router.AddConsumerHandler(fmt.Sprintf("inbox-%d", index), told.queue, subscriber, func(msg *message.Message) error {
			if !gate.enter() {
				return errors.New("no further round")
			}
			isNew, err := inbox.handle(msg.Context(), msg.UUID, msg.Payload)
			select {
			case outcomes <- handled{isNew, err}:
			case <-ctx.Done():
			}
			return err
		})
	}
	ended := make(chan error, 1)
	go func() { ended <- router.Run(ctx) }()
	select {
	case <-router.Running():
	case err := <-ended:
		return fmt.Errorf("starting the router: %w", err)
	}

	round := func() (any, error) {
		began := time.Now()
		result := consumed{Count: told.count}
		gate.open(told.count)
		for !result.done() {
			select {
			case outcome := <-outcomes:
				if outcome.err != nil {
					return nil, outcome.err
				}
				result.add(outcome.isNew)
			case err := <-ended:
				return nil, fmt.Errorf("the router ended: %w", errors.Join(err, ctx.Err()))
			}
		}
		result.Seconds = time.Since(began).Seconds()
		return result, nil
	}
	if err := driver.ready(watermillModule, watermillAMQPModule, pgxModule); err != nil {
		return err
	}
	if err := driver.rounds(round); err != nil {
		return err
	}
	gate.close()
	return router.Close()
}

// watermillHandlersMax is how many handlers there are: twice as many as connections to the
// database, so that one is always waiting for a connection while another acknowledges.
const watermillHandlersMax = 2 * connectionsMax
