package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const amqp091Module = "github.com/rabbitmq/amqp091-go"

// amqp091Publish publishes on one channel and takes the confirms as they come.
func amqp091Publish(ctx context.Context, told options, driver *driver) error {
	connection, err := amqp.Dial(told.amqp)
	if err != nil {
		return fmt.Errorf("connecting to the broker: %w", err)
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return fmt.Errorf("opening a channel: %w", err)
	}
	if err := channel.Confirm(false); err != nil {
		return fmt.Errorf("asking for confirms: %w", err)
	}
	publisher := &amqp091Publisher{
		told:    told,
		channel: channel,
		// Room for all that may come, so that the library never waits for this program.
		confirms: channel.NotifyPublish(make(chan amqp.Confirmation, told.inFlight)),
		// No room: a return is taken before the confirm that the broker sends after it.
		returns: channel.NotifyReturn(make(chan amqp.Return)),
		body:    body(told.bodyBytes),
	}
	if err := driver.ready(amqp091Module); err != nil {
		return err
	}
	return driver.rounds(func() (any, error) { return publisher.round(ctx) })
}

type amqp091Publisher struct {
	told     options
	channel  *amqp.Channel
	confirms <-chan amqp.Confirmation
	returns  <-chan amqp.Return
	body     []byte
	// before is how many messages earlier rounds published: delivery tags go on over rounds.
	before uint64
}

func (p *amqp091Publisher) round(ctx context.Context) (published, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	starts := make([]time.Time, p.told.count)
	slots := make(chan struct{}, p.told.inFlight)
	go func() {
		if err := p.publishAll(ctx, starts, slots); err != nil {
			cancel(err)
		}
	}()

	result := published{Count: p.told.count, Returned: new(int)}
	latencies := make([]time.Duration, 0, p.told.count)
	for result.Confirmed+result.Nacked < p.told.count {
		select {
		case <-ctx.Done():
			return result, context.Cause(ctx)
		case _, open := <-p.returns:
			if !open {
				return result, errors.New("the channel was closed")
			}
			*result.Returned++
		case confirm, open := <-p.confirms:
			if !open {
				return result, errors.New("the channel was closed")
			}
			latencies = append(latencies, time.Since(starts[confirm.DeliveryTag-p.before-1]))
			if confirm.Ack {
				result.Confirmed++
			} else {
				result.Nacked++
			}
			<-slots
		}
	}
	p.before += uint64(p.told.count)
	return result.timed(began, latencies), nil
}

func (p *amqp091Publisher) publishAll(ctx context.Context, starts []time.Time, slots chan<- struct{}) error {
	for index := range starts {
		select {
		case <-ctx.Done():
			return nil
		case slots <- struct{}{}:
		}
		starts[index] = time.Now()
		err := p.channel.PublishWithContext(ctx, p.told.exchange, p.told.routingKey, true, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent,
			ContentType:  contentType,
			MessageId:    strconv.Itoa(index),
			Body:         p.body,
		})
		if err != nil {
			return fmt.Errorf("publishing message %d: %w", index, err)
		}
	}
	return nil
}
