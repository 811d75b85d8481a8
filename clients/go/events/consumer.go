package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"outcry.example/client/internal/pause"
)

const (
	// Exchange is where the platform publishes all events.
	Exchange = "outcry.events"
	// PrefetchDefault keeps a handler busy over a slow network and bounds what comes twice after a
	// lost connection.
	PrefetchDefault = 64
	// reconnectsMax is how often in a row the broker is tried: about five minutes, longer than it
	// takes to start again. Then the program ends, for whoever watches over it to see.
	reconnectsMax = 40
	// steady is how long a connection without a message lasts that counts as a good one.
	steady = time.Minute
)

// reconnects: soon after a hiccup, not in a hurry after that.
var reconnects = pause.Steps{First: 200 * time.Millisecond, Longest: 10 * time.Second}

// Action is what became of a message.
type Action string

const (
	// Handled was given to the handler.
	Handled Action = "handled"
	// Duplicate was handled before.
	Duplicate Action = "duplicate"
	// Ignored is of a type this package does not know.
	Ignored Action = "ignored"
	// Dead was put aside.
	Dead Action = "dead"
)

// Unknown says what happens to types that this package does not know.
type Unknown int

const (
	// IgnoreUnknown suits views and caches: a later release adds types they have no use for.
	IgnoreUnknown Unknown = iota
	// BuryUnknown suits whatever moves money: it may not overlook anything.
	BuryUnknown
)

// Settlement is a message and what became of it.
type Settlement struct {
	Action   Action
	Schema   Schema
	Delivery amqp.Delivery
	// Event is nil when the message was not even an envelope.
	Event *Event
	// Refusal is why a message is dead, and nil otherwise.
	Refusal *Refusal
}

// Consumer settles the messages of one queue, one after the other.
type Consumer struct {
	// Address of RabbitMQ, `amqp://user:password@host:port/%2f`.
	Address string
	// Queue is this consumer's own; what is put aside goes to the same name with `.dead`.
	Queue string
	// Topics are the patterns it is bound by, for example `order.*`.
	Topics []string
	// Handle handles an event once. Its error ends Run; the message stays in the queue.
	Handle func(context.Context, *Event) error

	// Exchange, if not [Exchange].
	Exchange string
	// Prefetch, if not [PrefetchDefault].
	Prefetch int
	// Unknown types are ignored unless it says otherwise.
	Unknown Unknown
	// Seen, if not the last [SeenMax] ids in memory.
	Seen Seen
	// Settled, if not nil, is told of each message after it was settled.
	Settled func(Settlement)
	// Lost, if not nil, is told why a connection was lost, before it is opened again.
	Lost func(error)
}

// Run settles messages until the context ends (then its error is nil), the handler fails, or the
// broker cannot be reached for too long.
func (c *Consumer) Run(ctx context.Context) error {
	c.fillIn()
	for failures := 0; ; {
		began := time.Now()
		settled, err := c.session(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errSetting), errors.Is(err, errHandler):
			return err
		case settled > 0, time.Since(began) > steady:
			failures = 0
		}
		failures++
		if failures > reconnectsMax {
			return fmt.Errorf("given up after %d attempts: %w", reconnectsMax, err)
		}
		if c.Lost != nil {
			c.Lost(err)
		}
		if pause.Wait(ctx, reconnects.Before(failures)) != nil {
			return nil
		}
	}
}

// Declare makes the queues and binds them, and reads nothing.
func (c *Consumer) Declare() error {
	c.fillIn()
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	return c.declare(l)
}

func (c *Consumer) fillIn() {
	if c.Exchange == "" {
		c.Exchange = Exchange
	}
	if c.Prefetch <= 0 {
		c.Prefetch = PrefetchDefault
	}
	if c.Seen == nil {
		c.Seen = NewRecent(SeenMax)
	}
}

// session is one connection's life.
func (c *Consumer) session(ctx context.Context) (settled int, err error) {
	l, err := c.open()
	if err != nil {
		return 0, err
	}
	defer l.close()
	for {
		select {
		case <-ctx.Done():
			return settled, nil
		case delivery, open := <-l.deliveries:
			if !open {
				return settled, errors.New("the connection was lost")
			}
			// Both may be ready: the end goes first.
			if ctx.Err() != nil {
				return settled, nil
			}
			settlement, err := c.settle(ctx, l, delivery)
			if err != nil {
				return settled, err
			}
			settled++
			if c.Settled != nil {
				c.Settled(settlement)
			}
		}
	}
}

// errHandler is a failure of the user's code.
var errHandler = errors.New("handling")

func (c *Consumer) settle(ctx context.Context, l *link, delivery amqp.Delivery) (Settlement, error) {
	settlement := Settlement{Delivery: delivery}
	err := c.judge(ctx, &settlement)
	switch {
	case errors.As(err, &settlement.Refusal):
		settlement.Action = Dead
		if err := l.bury(ctx, c.Queue+deadSuffix, deadLetter(delivery, c.Queue, settlement.Refusal)); err != nil {
			return settlement, err
		}
	case err != nil:
		return settlement, fmt.Errorf("%w %s: %w", errHandler, delivery.MessageId, err)
	}
	if err := delivery.Ack(false); err != nil {
		return settlement, fmt.Errorf("acknowledging: %w", err)
	}
	return settlement, nil
}

// judge fills the settlement in and has an event handled. A *Refusal says why it is dead.
func (c *Consumer) judge(ctx context.Context, settlement *Settlement) error {
	fingerprint, _ := settlement.Delivery.Headers[headerSchema].(string)
	settlement.Schema = CompareSchema("", fingerprint)
	event, err := Open(settlement.Delivery.Body)
	if err != nil {
		return err
	}
	settlement.Event = event
	settlement.Schema = CompareSchema(event.Type, fingerprint)
	if err := event.Decode(); err != nil {
		return err
	}
	if event.Payload == nil {
		settlement.Action = Ignored
		if c.Unknown == BuryUnknown {
			return &Refusal{Reason: UnknownType, cause: event.Type}
		}
		return nil
	}
	id := event.Envelope.GetEventId()
	seen, err := c.Seen.Has(ctx, id)
	if err != nil {
		return err
	}
	if seen {
		settlement.Action = Duplicate
		return nil
	}
	if err := c.Handle(ctx, event); err != nil {
		// Whatever the handler says, an event that keeps the contract is not put aside.
		var refusal *Refusal
		if errors.As(err, &refusal) {
			return errors.New(err.Error())
		}
		return err
	}
	settlement.Action = Handled
	// Only what was handled is remembered: a dead message that is mended or sent again counts.
	return c.Seen.Add(ctx, id)
}
