package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"outcry.example/client/events"
)

// settled is the line of a message.
type settled struct {
	EventID    string             `json:"event_id"`
	Topic      string             `json:"topic"`
	Type       string             `json:"type"`
	SHA256     string             `json:"sha256"`
	Schema     events.Schema      `json:"schema"`
	Action     events.Action      `json:"action"`
	Violations []events.Violation `json:"violations"`
	Event      json.RawMessage    `json:"event,omitempty"`
}

func consume(ctx context.Context, arguments []string) error {
	flags, err := readingFlags("consume", arguments)
	if err != nil {
		return err
	}
	address, err := setting("OUTCRY_AMQP")
	if err != nil {
		return err
	}
	if flags.count == 0 {
		return (&events.Consumer{Address: address, Queue: flags.queue, Topics: flags.topics}).Declare()
	}
	ctx, done := context.WithTimeout(ctx, time.Duration(flags.within)*time.Second)
	defer done()
	count := 0
	var failed error
	consumer := events.Consumer{
		Address: address,
		Queue:   flags.queue,
		Topics:  flags.topics,
		Handle:  func(context.Context, *events.Event) error { return nil },
		Settled: func(settlement events.Settlement) {
			failed = showSettlement(settlement)
			count++
			if count == flags.count || failed != nil {
				done()
			}
		},
		Lost: func(err error) {
			fmt.Fprintln(os.Stderr, "outcry-client: connecting again:", err)
		},
	}
	if err := consumer.Run(ctx); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	if count < flags.count {
		return fmt.Errorf("%d of %d messages came within %d s", count, flags.count, flags.within)
	}
	return nil
}

func showSettlement(settlement events.Settlement) error {
	hash := sha256.Sum256(settlement.Delivery.Body)
	line := settled{
		Topic:      settlement.Delivery.RoutingKey,
		SHA256:     hex.EncodeToString(hash[:]),
		Schema:     settlement.Schema,
		Action:     settlement.Action,
		Violations: []events.Violation{},
	}
	if event := settlement.Event; event != nil {
		line.EventID = event.Envelope.GetEventId()
		line.Topic = event.Envelope.GetEventType()
		line.Type = event.Type
		if settlement.Action == events.Handled {
			var err error
			if line.Event, err = event.JSON(); err != nil {
				return err
			}
		}
	}
	if settlement.Refusal != nil {
		fmt.Fprintf(os.Stderr, "outcry-client: %s: %s\n", settlement.Delivery.MessageId, settlement.Refusal)
		line.Violations = append(line.Violations, settlement.Refusal.Violations...)
	}
	return show(line)
}
