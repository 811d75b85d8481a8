package events

import (
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// connectWithin is how long a broker may take to answer at all.
	connectWithin = 10 * time.Second
	// heartbeat shows a dead connection within two of them.
	heartbeat = 10 * time.Second
)

// errSetting is a fault that trying again does not mend.
var errSetting = errors.New("this must be put right first")

// link is a connection with everything a consumer needs on it.
type link struct {
	connection *amqp.Connection
	channel    *amqp.Channel
	deliveries <-chan amqp.Delivery
	returned   <-chan amqp.Return
}

// open connects, declares the queues and begins to consume.
func (c *Consumer) open() (*link, error) {
	l, err := c.connect()
	if err != nil {
		return nil, err
	}
	if err := c.declare(l); err != nil {
		l.close()
		return nil, err
	}
	if err := c.consume(l); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (c *Consumer) connect() (*link, error) {
	// The parser's own error holds the address, and so the password.
	if _, err := amqp.ParseURI(c.Address); err != nil {
		return nil, fmt.Errorf("%w: the broker's address must be like amqp://user:password@host:port/%%2f", errSetting)
	}
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(c.Queue)
	connection, err := amqp.DialConfig(c.Address, amqp.Config{
		Heartbeat:  heartbeat,
		Properties: properties,
		Dial:       amqp.DefaultDial(connectWithin),
	})
	if err != nil {
		return nil, explained("connecting", err)
	}
	channel, err := connection.Channel()
	if err != nil {
		_ = connection.Close()
		return nil, explained("opening a channel", err)
	}
	return &link{connection: connection, channel: channel}, nil
}

const durable, autoDelete, exclusive, internal, noWait = true, false, false, false, false

func (c *Consumer) declare(l *link) error {
	if err := l.channel.ExchangeDeclarePassive(c.Exchange, amqp.ExchangeTopic, durable, autoDelete, internal, noWait, nil); err != nil {
		return explained(fmt.Sprintf("the exchange %s is not as expected: is this the broker of a running platform?", c.Exchange), err)
	}
	for _, queue := range []string{c.Queue, c.Queue + deadSuffix} {
		if _, err := l.channel.QueueDeclare(queue, durable, autoDelete, exclusive, noWait, nil); err != nil {
			return explained("declaring the queue "+queue, err)
		}
	}
	for _, topic := range c.Topics {
		if err := l.channel.QueueBind(c.Queue, topic, c.Exchange, noWait, nil); err != nil {
			return explained("binding the queue "+c.Queue, err)
		}
	}
	return nil
}

func (c *Consumer) consume(l *link) error {
	if err := l.channel.Confirm(noWait); err != nil {
		return explained("asking for confirms", err)
	}
	l.returned = l.channel.NotifyReturn(make(chan amqp.Return, unconfirmedMax))
	const wholeChannel = false
	if err := l.channel.Qos(c.Prefetch, 0, wholeChannel); err != nil {
		return explained("bounding the prefetch", err)
	}
	const autoAck, noLocal = false, false
	var err error
	if l.deliveries, err = l.channel.Consume(c.Queue, "", autoAck, exclusive, noLocal, noWait, nil); err != nil {
		return explained("consuming "+c.Queue, err)
	}
	return nil
}

// close takes what was not acknowledged back to the queue.
func (l *link) close() {
	_ = l.connection.CloseDeadline(time.Now().Add(connectWithin))
}

// settings are the answers of a broker that stay the same however often it is asked. Others, such
// as those of one that is stopping, pass.
var settings = []int{amqp.AccessRefused, amqp.NotFound, amqp.ResourceLocked, amqp.PreconditionFailed, amqp.NotAllowed}

// explained tells faults of settings from those that pass.
func explained(what string, err error) error {
	var broken *amqp.Error
	if errors.As(err, &broken) && slices.Contains(settings, broken.Code) {
		return fmt.Errorf("%w: %s: %w", errSetting, what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
