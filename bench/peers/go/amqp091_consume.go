package main

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// amqp091Consume consumes on one channel, with as many goroutines as messages may be unacknowledged.
func amqp091Consume(ctx context.Context, told options, driver *driver) error {
	connection, err := amqp.Dial(told.amqp)
	if err != nil {
		return fmt.Errorf("connecting to the broker: %w", err)
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return fmt.Errorf("opening a channel: %w", err)
	}
	if err := channel.Qos(told.prefetch, 0, false); err != nil {
		return fmt.Errorf("limiting what is in flight: %w", err)
	}
	pool, err := openPool(ctx, told.postgres)
	if err != nil {
		return err
	}
	defer pool.Close()
	consumer := &amqp091Consumer{
		told:    told,
		channel: channel,
		// A channel that is closed says so here; the deliveries just end.
		closed: channel.NotifyClose(make(chan *amqp.Error, 1)),
		inbox:  inbox{pool},
	}
	if err := driver.ready(amqp091Module, pgxModule); err != nil {
		return err
	}
	return driver.rounds(func() (any, error) { return consumer.round(ctx) })
}

type amqp091Consumer struct {
	told    options
	channel *amqp.Channel
	closed  <-chan *amqp.Error
	inbox   inbox
	rounds  int
}

// handled is what became of one message.
type handled struct {
	isNew bool
	err   error
}

func (c *amqp091Consumer) round(ctx context.Context) (consumed, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.rounds++
	tag := fmt.Sprintf("peer-%d", c.rounds)
	began := time.Now()
	deliveries, err := c.channel.Consume(c.told.queue, tag, false, false, false, false, nil)
	if err != nil {
		return consumed{}, fmt.Errorf("consuming %s: %w", c.told.queue, err)
	}
	outcomes := make(chan handled)
	for range c.told.prefetch {
		go func() {
			for delivery := range deliveries {
				outcome := c.handle(ctx, delivery)
				select {
				case outcomes <- outcome:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	result := consumed{Count: c.told.count}
	for !result.done() {
		select {
		case <-ctx.Done():
			return result, ctx.Err()
		case reason := <-c.closed:
			return result, fmt.Errorf("the channel was closed: %v", reason)
		case outcome := <-outcomes:
			if outcome.err != nil {
				return result, outcome.err
			}
			result.add(outcome.isNew)
		}
	}
	result.Seconds = time.Since(began).Seconds()
	if err := c.channel.Cancel(tag, false); err != nil {
		return result, fmt.Errorf("ending the consumer: %w", err)
	}
	return result, nil
}

func (c *amqp091Consumer) handle(ctx context.Context, delivery amqp.Delivery) handled {
	isNew, err := c.inbox.handle(ctx, delivery.MessageId, delivery.Body)
	if err == nil {
		err = delivery.Ack(false)
	}
	return handled{isNew, err}
}
