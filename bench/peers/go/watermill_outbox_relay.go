package main

import (
	"context"
	"fmt"
	"time"

	wmamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	wmsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/forwarder"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pollIntervalDefault is the library's own; it has no notification of commits.
const pollIntervalDefault = time.Second

// watermillOutboxRelay forwards what is in the outbox until standard input ends. The forwarder
// takes the next message when the broker has confirmed the one before.
func watermillOutboxRelay(ctx context.Context, told options, driver *driver) error {
	pool, err := openPool(ctx, told.postgres)
	if err != nil {
		return err
	}
	defer pool.Close()
	subscriber, err := outboxSubscriber(pool, told.pollInterval)
	if err != nil {
		return err
	}
	// One message at a time needs one channel.
	publisher, err := wmamqp.NewPublisher(watermillPublishing(told, 1), watermillLogger())
	if err != nil {
		return fmt.Errorf("connecting to the broker: %w", err)
	}
	defer publisher.Close()
	relay, err := forwarder.NewForwarder(subscriber, publisher, watermillLogger(), forwarder.Config{ForwarderTopic: outboxTopic})
	if err != nil {
		return fmt.Errorf("making the forwarder: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- relay.Run(ctx) }()
	select {
	case <-relay.Running():
	case err := <-ended:
		return fmt.Errorf("starting the forwarder: %w", err)
	}
	if err := driver.ready(watermillModule, watermillSQLModule, watermillAMQPModule); err != nil {
		return err
	}
	select {
	case <-driver.ended():
		return relay.Close()
	case err := <-ended:
		return fmt.Errorf("the forwarder ended: %w", err)
	}
}

// outboxSubscriber reads the outbox, and makes its tables.
func outboxSubscriber(pool *pgxpool.Pool, pollInterval time.Duration) (*wmsql.Subscriber, error) {
	subscriber, err := wmsql.NewSubscriber(
		wmsql.BeginnerFromPgx(pool),
		wmsql.SubscriberConfig{
			ConsumerGroup:    "relay",
			PollInterval:     pollInterval,
			SchemaAdapter:    outboxSchema,
			OffsetsAdapter:   outboxOffsets,
			InitializeSchema: true,
		},
		watermillLogger(),
	)
	if err != nil {
		return nil, fmt.Errorf("making the subscriber of the outbox: %w", err)
	}
	return subscriber, nil
}
