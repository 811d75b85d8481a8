package events

import (
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestADeadMessageKeepsItsHeadersAndSaysWhy(t *testing.T) {
	delivery := amqp.Delivery{
		Headers:     amqp.Table{"ce-type": "order.filled", headerReason: "an older one"},
		ContentType: "application/cloudevents+protobuf",
		MessageId:   someID,
		Body:        []byte("body"),
	}
	refusal := &Refusal{Reason: Invalid, Violations: []Violation{{"payload.last_quantity", "int64.gte_lte"}, {"payload.side", "enum.not_in"}}}
	letter := deadLetter(delivery, "q", refusal)
	for name, expected := range map[string]string{
		"ce-type":    "order.filled",
		headerReason: "INVALID",
		headerRules:  "payload.last_quantity int64.gte_lte, payload.side enum.not_in",
		headerQueue:  "q",
	} {
		if letter.Headers[name] != expected {
			t.Errorf("%s is %v", name, letter.Headers[name])
		}
	}
	if letter.ContentType != delivery.ContentType || letter.MessageId != someID || string(letter.Body) != "body" {
		t.Error("the message is not as it was")
	}
	if letter.DeliveryMode != amqp.Persistent {
		t.Error("a dead message would not outlive a restart")
	}
	if delivery.Headers[headerReason] != "an older one" {
		t.Error("the delivery itself was changed")
	}
}

func TestTheRulesOfADeadMessageFitItsHeaders(t *testing.T) {
	violations := make([]Violation, rulesRunesMax)
	for i := range violations {
		violations[i] = Violation{"payload.né", "required"}
	}
	letter := deadLetter(amqp.Delivery{}, "q", &Refusal{Reason: Invalid, Violations: violations})
	found, _ := letter.Headers[headerRules].(string)
	if len([]rune(found)) != rulesRunesMax || !strings.HasPrefix(rules(violations), found) {
		t.Errorf("%d characters, ends with %q", len([]rune(found)), found[max(len(found)-20, 0):])
	}
}
