package events

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"google.golang.org/protobuf/types/known/durationpb"

	eventsv1 "outcry.example/client/gen/outcry/events/v1"
)

// liveWithin bounds each test against a broker.
const liveWithin = 20 * time.Second

// broker opens a channel to the broker of a running platform, and removes the test's queues.
func broker(t *testing.T, queue string) (string, *amqp.Channel) {
	t.Helper()
	address := os.Getenv("OUTCRY_AMQP")
	if address == "" {
		t.Skip("OUTCRY_AMQP is not set")
	}
	connection, err := amqp.Dial(address)
	if err != nil {
		t.Fatal("cannot connect")
	}
	channel, err := connection.Channel()
	if err != nil {
		t.Fatal(err)
	}
	remove := func() {
		_, _ = channel.QueueDelete(queue, false, false, false)
		_, _ = channel.QueueDelete(queue+deadSuffix, false, false, false)
	}
	remove()
	t.Cleanup(func() {
		remove()
		_ = connection.Close()
	})
	return address, channel
}

func TestMessagesAreSettledInTheOrderOfTheQueue(t *testing.T) {
	const queue = "go.settled"
	address, channel := broker(t, queue)
	ctx, cancel := context.WithTimeout(context.Background(), liveWithin)
	defer cancel()
	broken := filled()
	broken.LastQuantity = 0
	another := func(envelope *eventsv1.EventEnvelope) { envelope.EventId = "018f2f6e-7b1a-7c3e-8000-000000000002" }
	bodies := [][]byte{
		bodyOf(t, filled(), nil),
		bodyOf(t, filled(), nil),
		bodyOf(t, broken, another),
		[]byte("not an envelope"),
		bodyOf(t, durationpb.New(1), another),
		bodyOf(t, filled(), another),
		// Not what was handled under that id.
		bodyOf(t, broken, nil),
	}
	expected := []Action{Handled, Duplicate, Dead, Dead, Ignored, Handled, Dead}
	// Nothing else comes by this pattern.
	consumer := Consumer{Address: address, Queue: queue, Topics: []string{"no.such.topic"}, Prefetch: 2}
	if err := consumer.Declare(); err != nil {
		t.Fatal(err)
	}
	for _, body := range bodies {
		message := amqp.Publishing{Body: body, Headers: amqp.Table{"ce-type": "order.filled", headerSchema: "another"}}
		if err := channel.PublishWithContext(ctx, "", queue, true, false, message); err != nil {
			t.Fatal(err)
		}
	}
	handled := 0
	consumer.Handle = func(context.Context, *Event) error {
		handled++
		return nil
	}
	var actions []Action
	consumer.Settled = func(settlement Settlement) {
		actions = append(actions, settlement.Action)
		if settlement.Schema != SchemaDiffers {
			t.Errorf("the schema is %s", settlement.Schema)
		}
		if len(actions) == len(bodies) {
			cancel()
		}
	}
	if err := consumer.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if len(actions) != len(expected) {
		t.Fatalf("settled %v", actions)
	}
	for i, action := range actions {
		if action != expected[i] {
			t.Errorf("message %d is %s, not %s", i, action, expected[i])
		}
	}
	if handled != 2 {
		t.Errorf("%d events were handled", handled)
	}
	letter, found, err := channel.Get(queue+deadSuffix, true)
	if err != nil || !found {
		t.Fatalf("no dead message: %v", err)
	}
	if letter.Headers[headerReason] != "INVALID" || letter.Headers[headerRules] != "payload.last_quantity int64.gte_lte" ||
		letter.Headers[headerQueue] != queue || letter.Headers["ce-type"] != "order.filled" || string(letter.Body) != string(bodies[2]) {
		t.Errorf("the dead message is %v", letter.Headers)
	}
	rest, err := channel.QueueDeclarePassive(queue, durable, autoDelete, exclusive, noWait, nil)
	if err != nil || rest.Messages != 0 {
		t.Errorf("%d messages are left: %v", rest.Messages, err)
	}
}

func TestAMessageWhoseHandlerFailsStaysInTheQueue(t *testing.T) {
	const queue = "go.failing"
	address, channel := broker(t, queue)
	ctx, cancel := context.WithTimeout(context.Background(), liveWithin)
	defer cancel()
	cause := errors.New("the database is full")
	consumer := Consumer{
		Address: address, Queue: queue, Topics: []string{"no.such.topic"},
		Handle: func(context.Context, *Event) error { return cause },
	}
	if err := consumer.Declare(); err != nil {
		t.Fatal(err)
	}
	if err := channel.PublishWithContext(ctx, "", queue, true, false, amqp.Publishing{Body: bodyOf(t, filled(), nil)}); err != nil {
		t.Fatal(err)
	}
	if err := consumer.Run(ctx); !errors.Is(err, cause) {
		t.Fatalf("ended with %v", err)
	}
	// It has been given back: a consumer that works gets it.
	consumer.Handle = func(context.Context, *Event) error {
		cancel()
		return nil
	}
	settled := 0
	consumer.Settled = func(Settlement) { settled++ }
	if err := consumer.Run(ctx); err != nil || settled != 1 {
		t.Errorf("%d settled, %v", settled, err)
	}
}

func TestALostConnectionIsOpenedAgain(t *testing.T) {
	const queue = "go.lost"
	address, channel := broker(t, queue)
	ctx, cancel := context.WithTimeout(context.Background(), liveWithin)
	defer cancel()
	consumer := Consumer{Address: address, Queue: queue, Topics: []string{"no.such.topic"}}
	if err := consumer.Declare(); err != nil {
		t.Fatal(err)
	}
	publish := func() {
		if err := channel.PublishWithContext(ctx, "", queue, true, false, amqp.Publishing{Body: bodyOf(t, filled(), nil)}); err != nil {
			t.Error(err)
		}
	}
	consumer.Handle = func(context.Context, *Event) error { return nil }
	var actions []Action
	consumer.Settled = func(settlement Settlement) {
		actions = append(actions, settlement.Action)
		if len(actions) == 1 {
			// The broker ends the consumer of a queue that is deleted, and the next session makes it anew.
			if _, err := channel.QueueDelete(queue, false, false, false); err != nil {
				t.Error(err)
			}
			return
		}
		cancel()
	}
	lost := 0
	consumer.Lost = func(error) {
		lost++
		if err := consumer.Declare(); err != nil {
			t.Error(err)
		}
		publish()
	}
	publish()
	if err := consumer.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if lost != 1 || len(actions) != 2 || actions[1] != Duplicate {
		t.Errorf("lost %d times, %v", lost, actions)
	}
}

func TestAMissingExchangeIsToldAndNotTriedAgain(t *testing.T) {
	const queue = "go.exchange"
	address, _ := broker(t, queue)
	consumer := Consumer{Address: address, Queue: queue, Exchange: "no.such.exchange"}
	err := consumer.Run(context.Background())
	if !errors.Is(err, errSetting) || !strings.Contains(err.Error(), "no.such.exchange") {
		t.Errorf("ended with %v", err)
	}
}

func TestAWrongPasswordIsToldAndNotTriedAgain(t *testing.T) {
	const queue = "go.password"
	address, _ := broker(t, queue)
	parsed, err := amqp.ParseURI(address)
	if err != nil {
		t.Fatal(err)
	}
	parsed.Password += "-wrong"
	consumer := Consumer{Address: parsed.String(), Queue: queue}
	if err := consumer.Run(context.Background()); !errors.Is(err, errSetting) || strings.Contains(err.Error(), parsed.Password) {
		t.Errorf("ended with %v", err)
	}
}

func TestAQueueWithOtherArgumentsIsToldAndNotTriedAgain(t *testing.T) {
	const queue = "go.arguments"
	address, channel := broker(t, queue)
	if _, err := channel.QueueDeclare(queue, durable, autoDelete, exclusive, noWait, amqp.Table{"x-max-length": 1}); err != nil {
		t.Fatal(err)
	}
	consumer := Consumer{Address: address, Queue: queue}
	if err := consumer.Run(context.Background()); !errors.Is(err, errSetting) || !strings.Contains(err.Error(), queue) {
		t.Errorf("ended with %v", err)
	}
}

func TestAnAddressIsNotShownWithItsPassword(t *testing.T) {
	consumer := Consumer{Address: "amqp://user:secret@host:not-a-port", Queue: "q"}
	err := consumer.Run(context.Background())
	if !errors.Is(err, errSetting) || strings.Contains(err.Error(), "secret") {
		t.Errorf("ended with %v", err)
	}
}
