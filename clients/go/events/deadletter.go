package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	headerSchema = "outcry-schema"
	headerReason = "outcry-reason"
	headerRules  = "outcry-rules"
	headerQueue  = "outcry-queue"

	// deadSuffix names the queue beside a consumer's own for what was put aside.
	deadSuffix = ".dead"
	// rulesRunesMax bounds the header with the rules: all headers must fit one frame, 128 KiB as a
	// rule, or a message that breaks thousands of rules could not be put aside.
	rulesRunesMax = 16_384
	// confirmWithin is how long the broker may take to store a dead message. Longer than a disk
	// stalls, shorter than the half hour after which it takes unacknowledged messages back.
	confirmWithin = 10 * time.Second
	// unconfirmedMax: a dead message is confirmed before the next is looked at.
	unconfirmedMax = 1
)

// deadLetter is a message as it was, with headers that say why it is dead.
func deadLetter(delivery amqp.Delivery, queue string, refusal *Refusal) amqp.Publishing {
	headers := amqp.Table{}
	maps.Copy(headers, delivery.Headers)
	headers[headerReason] = string(refusal.Reason)
	broken := []rune(rules(refusal.Violations))
	headers[headerRules] = string(broken[:min(len(broken), rulesRunesMax)])
	headers[headerQueue] = queue
	return amqp.Publishing{
		Headers:         headers,
		ContentType:     delivery.ContentType,
		ContentEncoding: delivery.ContentEncoding,
		// Whatever the message was, a dead one outlives a restart of the broker.
		DeliveryMode:  amqp.Persistent,
		Priority:      delivery.Priority,
		CorrelationId: delivery.CorrelationId,
		MessageId:     delivery.MessageId,
		Timestamp:     delivery.Timestamp,
		Type:          delivery.Type,
		AppId:         delivery.AppId,
		Body:          delivery.Body,
	}
}

// bury publishes to a queue and returns once the broker has taken responsibility.
func (l *link) bury(ctx context.Context, queue string, letter amqp.Publishing) error {
	ctx, cancel := context.WithTimeout(ctx, confirmWithin)
	defer cancel()
	const mandatory, immediate = true, false
	confirm, err := l.channel.PublishWithDeferredConfirmWithContext(ctx, "", queue, mandatory, immediate, letter)
	if err != nil {
		return fmt.Errorf("publishing to %s: %w", queue, err)
	}
	stored, err := confirm.WaitContext(ctx)
	if err != nil {
		return fmt.Errorf("no confirm from %s: %w", queue, err)
	}
	select {
	// A message without a queue is confirmed all the same, after it was returned.
	case <-l.returned:
		return fmt.Errorf("the queue %s is gone", queue)
	default:
	}
	if !stored {
		return errors.New("the broker did not take the message for " + queue)
	}
	return nil
}
