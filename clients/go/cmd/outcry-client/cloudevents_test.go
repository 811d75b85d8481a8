package main

import (
	"context"
	"testing"

	v1 "github.com/Azure/go-amqp"
	ceamqp "github.com/cloudevents/sdk-go/protocol/amqp/v2"
	"google.golang.org/protobuf/proto"

	eventsv1 "outcry.example/client/gen/outcry/events/v1"
)

// received is an event as AMQP 1.0 gives it, with or without headers.
func received(t *testing.T, headers map[string]any) *ceamqp.Message {
	t.Helper()
	body, err := proto.Marshal(&eventsv1.EventEnvelope{EventId: "1", Source: "/orders", SpecVersion: "1.0", EventType: "order.filled"})
	if err != nil {
		t.Fatal(err)
	}
	contentType := "application/cloudevents+protobuf"
	message := v1.NewMessage(body)
	message.Properties = &v1.MessageProperties{ContentType: &contentType}
	message.ApplicationProperties = headers
	return ceamqp.NewMessage(message, nil)
}

func headers(subject string) map[string]any {
	return map[string]any{
		"cloudEvents:specversion": "1.0", "cloudEvents:id": "1", "cloudEvents:source": "/orders",
		"cloudEvents:type": "order.filled", "cloudEvents:subject": subject, "cloudEvents:partitionkey": "k",
		"cloudEvents:time": "2026-11-25T10:00:00.5Z",
	}
}

func TestTheSameBodyIsACloudEvent(t *testing.T) {
	attributes, err := read(context.Background(), received(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if attributes["id"] != "1" || attributes["source"] != "/orders" || attributes["type"] != "order.filled" {
		t.Errorf("%v", attributes)
	}
}

func TestHeadersAddAttributes(t *testing.T) {
	attributes, err := read(context.Background(), received(t, headers("s")))
	if err != nil {
		t.Fatal(err)
	}
	if attributes["subject"] != "s" || attributes["partitionkey"] != "k" || attributes["time"] != "2026-11-25T10:00:00.5Z" {
		t.Errorf("%v", attributes)
	}
}

func TestHeadersOfAnotherEventAreRefused(t *testing.T) {
	other := headers("s")
	other["cloudEvents:id"] = "2"
	if attributes, err := read(context.Background(), received(t, other)); err == nil {
		t.Errorf("%v", attributes)
	}
}

func TestPatternsMayFollowOneFlagAndFlagsThem(t *testing.T) {
	r, err := readingFlags("consume", []string{"--queue", "q", "--topic", "a.*", "b.*", "--topic", "c", "--count", "2"})
	if err != nil || r.topics.String() != "a.* b.* c" || r.count != 2 || r.within != withinDefault {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := readingFlags("consume", []string{"--queue", "q", "--count", "2"}); err == nil {
		t.Error("no pattern was wanted")
	}
}

func TestNoMessageMayBeWantedButItMustBeSaid(t *testing.T) {
	queue := []string{"--queue", "q", "--topic", "a"}
	if r, err := readingFlags("consume", append(queue, "--count", "0")); err != nil || r.count != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, arguments := range [][]string{queue, append(queue, "--count", "-1")} {
		if r, err := readingFlags("consume", arguments); err == nil {
			t.Errorf("%v gave %+v", arguments, r)
		}
	}
}
