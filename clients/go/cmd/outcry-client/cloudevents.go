package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	v1 "github.com/Azure/go-amqp"
	// Teaches the SDK to read a body of the type application/cloudevents+protobuf.
	_ "github.com/cloudevents/sdk-go/binding/format/protobuf/v2"
	ceamqp "github.com/cloudevents/sdk-go/protocol/amqp/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"

	"outcry.example/client/events"
)

const (
	// binary is the content type with which the SDK reads the attributes from the headers.
	binary = "application/protobuf"
	// queueAddress names a queue that exists in the addresses of RabbitMQ's AMQP 1.0.
	queueAddress = "/amq/queue/"
	// virtualHost chooses one in the host name of an AMQP 1.0 connection.
	virtualHost = "vhost:"
	// dialWithin bounds the beginning; the SDK takes no context for it.
	dialWithin = 10 * time.Second
)

// cloudEvents knows nothing of the platform's contract: it reads with the CloudEvents SDK alone,
// over AMQP 1.0. The queue is made as `consume` makes it.
func cloudEvents(ctx context.Context, arguments []string) error {
	flags, err := readingFlags("cloudevents", arguments)
	if err != nil {
		return err
	}
	address, err := setting("OUTCRY_AMQP")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(flags.within)*time.Second)
	defer cancel()
	if err := (&events.Consumer{Address: address, Queue: flags.queue, Topics: flags.topics}).Declare(); err != nil || flags.count == 0 {
		return err
	}
	reader, err := dial(address, flags.queue, flags.count)
	if err != nil {
		return err
	}
	// The SDK's own Close waits for an answer that RabbitMQ 3.10 does not give.
	defer reader.Client.Close()
	for count := 0; count < flags.count; count++ {
		message, err := reader.Receive(ctx)
		if err != nil {
			return fmt.Errorf("%d of %d messages came within %d s: %w", count, flags.count, flags.within, err)
		}
		attributes, err := read(ctx, message)
		if err != nil {
			// The SDK has accepted it when it came, and RabbitMQ 3.10 does not know the mode in which it
			// would not: all that can be done is to say so and leave the others in the queue.
			return fmt.Errorf("message %d is not as CloudEvents wants it: %w", count+1, err)
		}
		if err := message.Finish(nil); err != nil {
			return err
		}
		if err := show(attributes); err != nil {
			return err
		}
	}
	return nil
}

func dial(address, queue string, count int) (*ceamqp.Protocol, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("OUTCRY_AMQP must be like amqp://user:password@host:port/%2f")
	}
	password, _ := parsed.User.Password()
	options := []v1.ConnOption{v1.ConnSASLPlain(parsed.User.Username(), password), v1.ConnConnectTimeout(dialWithin)}
	if host := strings.TrimPrefix(parsed.Path, "/"); host != "" && host != "/" {
		options = append(options, v1.ConnServerHostname(virtualHost+host))
	}
	server := url.URL{Scheme: parsed.Scheme, Host: net.JoinHostPort(parsed.Hostname(), parsed.Port())}
	client, err := v1.Dial(server.String(), options...)
	if err != nil {
		return nil, fmt.Errorf("connecting by AMQP 1.0 (has RabbitMQ its plugin rabbitmq_amqp1_0?): %w", err)
	}
	session, err := client.NewSession()
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	// No more than wanted are taken out of the queue.
	credit := ceamqp.WithReceiverLinkOption(v1.LinkCredit(uint32(count)))
	reader, err := ceamqp.NewReceiverProtocolFromClient(client, session, queueAddress+url.PathEscape(queue), credit)
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	return reader, nil
}

// read has the SDK read the body, which is an event of CloudEvents' protobuf format, and then the
// headers, which hold more attributes. RabbitMQ hands those on to AMQP 1.0 from version 4 on only.
func read(ctx context.Context, message binding.Message) (map[string]any, error) {
	received, is := message.(*ceamqp.Message)
	if !is {
		return nil, fmt.Errorf("the SDK gave a %T", message)
	}
	body, err := toEvent(ctx, received)
	if err != nil {
		return nil, fmt.Errorf("the body is not a CloudEvent: %w", err)
	}
	attributes := attributesOf(body)
	if len(received.AMQP.ApplicationProperties) == 0 {
		return attributes, nil
	}
	// The SDK looks at the headers only if the content type is not that of an event.
	contentType := binary
	properties := *received.AMQP.Properties
	properties.ContentType = &contentType
	again := *received.AMQP
	again.Properties = &properties
	headers, err := toEvent(ctx, ceamqp.NewMessage(&again, received.AMQPrcv))
	if err != nil {
		return nil, fmt.Errorf("the headers are not those of a CloudEvent: %w", err)
	}
	for name, value := range attributesOf(headers) {
		if known, both := attributes[name]; both && known != value {
			return nil, fmt.Errorf("body and headers of %s disagree on %s", headers.ID(), name)
		}
		attributes[name] = value
	}
	return attributes, nil
}

func toEvent(ctx context.Context, message binding.Message) (*event.Event, error) {
	read, err := binding.ToEvent(ctx, message)
	if err != nil {
		return nil, err
	}
	return read, read.Validate()
}

// attributesOf are the attributes that an event has.
func attributesOf(read *event.Event) map[string]any {
	attributes := map[string]any{
		"specversion": read.SpecVersion(), "id": read.ID(), "source": read.Source(), "type": read.Type(),
	}
	if read.Subject() != "" {
		attributes["subject"] = read.Subject()
	}
	if read.DataSchema() != "" {
		attributes["dataschema"] = read.DataSchema()
	}
	if !read.Time().IsZero() {
		attributes["time"] = read.Time().Format(time.RFC3339Nano)
	}
	for name, value := range read.Extensions() {
		attributes[name] = value
	}
	return attributes
}
