package main

import (
	"log/slog"
	"strconv"

	"github.com/ThreeDotsLabs/watermill"
	wmamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	wmsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	watermillModule     = "github.com/ThreeDotsLabs/watermill"
	watermillAMQPModule = "github.com/ThreeDotsLabs/watermill-amqp/v3"
	watermillSQLModule  = "github.com/ThreeDotsLabs/watermill-sql/v4"
)

// outboxTopic names the tables in which messages wait for the forwarder.
const outboxTopic = "outbox"

// outboxSchema is the table of the outbox; it reads in the order of commits. Writer and relay must agree.
var outboxSchema = wmsql.DefaultPostgreSQLSchema{
	// The library's default, and how many messages it may publish again after a crash.
	SubscribeBatchSize: 100,
}

// outboxOffsets keeps how far the relay has come; what was relayed stays in the table.
var outboxOffsets = wmsql.DefaultPostgreSQLOffsetsAdapter{}

func watermillLogger() watermill.LoggerAdapter {
	return watermill.NewSlogLogger(slog.Default())
}

// watermillConfig is the library's own for topic exchanges, with the exchange and queue as the
// driver declared them.
func watermillConfig(told options) wmamqp.Config {
	config := wmamqp.NewDurableTopicConfig(told.amqp, told.exchange, told.queue)
	config.Exchange.Durable = true
	config.Marshaler = marshaler{}
	config.TopologyBuilder = declaresNothing{}
	return config
}

// watermillPublishing is a configuration for publishers that return once the broker has confirmed.
// A publisher waits for one confirm at a time on each channel, so channels are what is in flight.
func watermillPublishing(told options, channels int) wmamqp.Config {
	config := watermillConfig(told)
	config.Publish.ConfirmDelivery = true
	config.Publish.Mandatory = true
	config.Publish.ChannelPoolSize = channels
	return config
}

// declaresNothing leaves exchanges and queues to the driver. The library would declare them again
// at each start, a queue as a classic one.
type declaresNothing struct{}

func (declaresNothing) BuildTopology(*amqp.Channel, wmamqp.BuildTopologyParams, wmamqp.Config, watermill.LoggerAdapter) error {
	return nil
}

func (declaresNothing) ExchangeDeclare(*amqp.Channel, string, wmamqp.Config) error {
	return nil
}

// marshaler has a message's id where AMQP has it; the library's own has it in a header.
type marshaler struct{}

func (marshaler) Marshal(msg *message.Message) (amqp.Publishing, error) {
	publishing, err := wmamqp.DefaultMarshaler{}.Marshal(msg)
	publishing.MessageId = msg.UUID
	publishing.ContentType = contentType
	return publishing, err
}

func (marshaler) Unmarshal(delivery amqp.Delivery) (*message.Message, error) {
	return message.NewMessage(delivery.MessageId, delivery.Body), nil
}

// watermillMessage is one with its place in the round as its id.
func watermillMessage(index int, body []byte) *message.Message {
	return message.NewMessage(strconv.Itoa(index), body)
}
