package events

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"outcry.example/client/gen/catalog"
	eventsv1 "outcry.example/client/gen/outcry/events/v1"
	ordersv1 "outcry.example/client/gen/outcry/orders/v1"
	typesv1 "outcry.example/client/gen/outcry/types/v1"
)

const (
	filledName = "outcry.orders.v1.OrderFilledEvent"
	someID     = "018f2f6e-7b1a-7c3e-8000-000000000001"
)

func filled() *ordersv1.OrderFilledEvent {
	price := &typesv1.Money{CurrencyCode: "USD", Units: 100, Nanos: 250_000_000}
	return &ordersv1.OrderFilledEvent{
		OrderId: someID, UserId: someID, Symbol: "MSFT", Side: ordersv1.Side_SIDE_BUY,
		LastQuantity: 1, LastPrice: price, CumulativeQuantity: 1, AveragePrice: price,
		Status: ordersv1.OrderStatus_ORDER_STATUS_FILLED, ExecutionId: "1",
	}
}

// bodyOf is an envelope that keeps the contract, after an edit.
func bodyOf(t *testing.T, payload proto.Message, edit func(*eventsv1.EventEnvelope)) []byte {
	t.Helper()
	packed, err := anypb.New(payload)
	if err != nil {
		t.Fatal(err)
	}
	envelope := &eventsv1.EventEnvelope{
		EventId: someID, Source: "/orders", SpecVersion: "1.0", EventType: "order.filled", Payload: packed,
		SchemaVersion: 1, AggregateType: "order", AggregateId: someID, AggregateSequence: 3,
		OccurredAt: timestamppb.Now(), CorrelationId: someID, PartitionKey: someID,
	}
	if edit != nil {
		edit(envelope)
	}
	body, err := proto.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// read opens and decodes.
func read(body []byte) (*Event, error) {
	event, err := Open(body)
	if err != nil {
		return nil, err
	}
	return event, event.Decode()
}

func refusalOf(t *testing.T, body []byte) *Refusal {
	t.Helper()
	_, err := read(body)
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("was not refused: %v", err)
	}
	return refusal
}

func TestAnEventThatKeepsTheContractIsDecodedByItsType(t *testing.T) {
	event, err := read(bodyOf(t, filled(), nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, is := event.Payload.(*ordersv1.OrderFilledEvent); !is || event.Type != filledName {
		t.Errorf("decoded as %T, %s", event.Payload, event.Type)
	}
	text, err := event.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var shown struct{ Payload map[string]any }
	if err := json.Unmarshal(text, &shown); err != nil {
		t.Fatal(err)
	}
	if shown.Payload["@type"] != "type.googleapis.com/"+filledName || shown.Payload["lastQuantity"] != "1" {
		t.Errorf("shown as %s", text)
	}
	if _, shows := shown.Payload["leavesQuantity"]; shows {
		t.Error("a field that is not set is shown")
	}
}

func TestBrokenRulesOfPayloadAndEnvelopeAreListedTogether(t *testing.T) {
	payload := filled()
	payload.LastQuantity = 0
	payload.LastPrice = &typesv1.Money{CurrencyCode: "usd"}
	refusal := refusalOf(t, bodyOf(t, payload, func(envelope *eventsv1.EventEnvelope) { envelope.EventId = "x" }))
	expected := []Violation{
		{"event_id", "string.uuid"},
		{"payload.last_price.currency_code", "string.pattern"},
		{"payload.last_quantity", "int64.gte_lte"},
	}
	if refusal.Reason != Invalid || !slices.Equal(refusal.Violations, expected) {
		t.Errorf("%s %v", refusal.Reason, refusal.Violations)
	}
	if rules(refusal.Violations) != "event_id string.uuid, payload.last_price.currency_code string.pattern, payload.last_quantity int64.gte_lte" {
		t.Errorf("told as %q", rules(refusal.Violations))
	}
}

func TestAnEnvelopeWithoutPayloadBreaksARule(t *testing.T) {
	refusal := refusalOf(t, bodyOf(t, filled(), func(envelope *eventsv1.EventEnvelope) { envelope.Payload = nil }))
	if refusal.Reason != Invalid || !slices.Contains(refusal.Violations, Violation{"payload", "required"}) {
		t.Errorf("%s %v", refusal.Reason, refusal.Violations)
	}
}

func TestWhatIsNotAnEnvelopeIsUnreadable(t *testing.T) {
	if reason := refusalOf(t, []byte("not an envelope")).Reason; reason != Unreadable {
		t.Errorf("is %s", reason)
	}
	body := bodyOf(t, filled(), func(envelope *eventsv1.EventEnvelope) { envelope.Payload.Value = []byte{0xff} })
	if reason := refusalOf(t, body).Reason; reason != Unreadable {
		t.Errorf("a payload that is not what its type says is %s", reason)
	}
}

func TestANewerSchemaIsRefusedWithoutReadingOn(t *testing.T) {
	body := bodyOf(t, filled(), func(envelope *eventsv1.EventEnvelope) {
		envelope.SchemaVersion = 2
		envelope.Payload.Value = []byte{0xff}
	})
	if reason := refusalOf(t, body).Reason; reason != NewerSchema {
		t.Errorf("is %s", reason)
	}
}

func TestATypeThatIsNotAnEventIsUnknown(t *testing.T) {
	event, err := read(bodyOf(t, durationpb.New(1), nil))
	if err != nil || event.Payload != nil {
		t.Errorf("%v, %v", event, err)
	}
}

func TestSchemasAreComparedByFingerprint(t *testing.T) {
	own := catalog.Events[filledName].Fingerprint
	for _, one := range []struct {
		name, fingerprint string
		expected          Schema
	}{
		{filledName, own, SchemaSame},
		{filledName, "another", SchemaDiffers},
		{filledName, "", SchemaUnknown},
		{"outcry.orders.v9.Later", own, SchemaDiffers},
	} {
		if found := CompareSchema(one.name, one.fingerprint); found != one.expected {
			t.Errorf("%s with %q is %s", one.name, one.fingerprint, found)
		}
	}
}
