package outcry

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	ordersv1 "outcry.example/client/gen/outcry/orders/v1"
	"outcry.example/client/internal/pause"
)

// liveWithin bounds each test against a running platform.
const liveWithin = 30 * time.Second

// newcomer is a client of a user who has just registered.
func newcomer(t *testing.T) (context.Context, *Client) {
	t.Helper()
	address := os.Getenv("OUTCRY_ADDRESS")
	if address == "" {
		t.Skip("OUTCRY_ADDRESS is not set")
	}
	ctx, cancel := context.WithTimeout(context.Background(), liveWithin)
	t.Cleanup(cancel)
	client, err := Open(address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	email, password := "go-"+uuid.NewString()+"@outcry.example", uuid.NewString()
	if _, err := client.Register(ctx, email, password, "Go test"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.SignIn(ctx, email, password); err != nil {
		t.Fatal(err)
	}
	return ctx, client
}

// resting is an order nobody fills: nobody sells so cheaply.
func resting(t *testing.T) *ordersv1.OrderTerms {
	t.Helper()
	price, err := Dollars("0.01")
	if err != nil {
		t.Fatal(err)
	}
	return &ordersv1.OrderTerms{
		Symbol: "MSFT", Side: ordersv1.Side_SIDE_BUY, Type: ordersv1.OrderType_ORDER_TYPE_LIMIT,
		Quantity: 1, LimitPrice: price, TimeInForce: ordersv1.TimeInForce_TIME_IN_FORCE_GTC,
	}
}

func TestARepeatedRequestIDPlacesOneOrderAndItsUpdatesGoOnAfterASequence(t *testing.T) {
	ctx, client := newcomer(t)
	ten, err := Dollars("10")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Deposit(ctx, ten); err != nil {
		t.Fatal(err)
	}
	for cash := ""; cash != "10"; {
		money, err := client.Cash(ctx)
		if err != nil {
			t.Fatal(err)
		}
		cash = Decimal(money)
		if err := pause.Wait(ctx, depositPoll); err != nil {
			t.Fatal(err)
		}
	}
	id := uuid.NewString()
	first, err := client.Place(ctx, id, resting(t))
	if err != nil {
		t.Fatal(err)
	}
	second, err := client.Place(ctx, id, resting(t))
	if err != nil || second.GetOrderId() != first.GetOrderId() {
		t.Fatalf("%v, %v", second, err)
	}
	if _, err := client.Cancel(ctx, uuid.NewString(), first.GetOrderId()); err != nil {
		t.Fatal(err)
	}
	var seen []uint64
	for update, err := range client.WatchOrders(ctx, 1, "MSFT") {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, update.GetSequence())
		if update.GetOrder().GetStatus() == ordersv1.OrderStatus_ORDER_STATUS_CANCELLED {
			break
		}
	}
	for i, sequence := range seen {
		if sequence != uint64(i)+2 {
			t.Fatalf("saw %v", seen)
		}
	}
}

func TestASessionGoesOnAfterItsTokenHasEnded(t *testing.T) {
	ctx, client := newcomer(t)
	before := client.session.tokens.GetRefreshToken()
	client.expire()
	if _, err := client.Cash(ctx); err != nil {
		t.Fatal(err)
	}
	if client.session.tokens.GetRefreshToken() == before {
		t.Error("the tokens are the old ones")
	}
	// Used up: signing in again is all that is left.
	client.session.tokens.RefreshToken = before
	client.expire()
	if _, err := client.Cash(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestAnInvalidOrderNamesItsFields(t *testing.T) {
	ctx, client := newcomer(t)
	terms := resting(t)
	terms.Quantity = 0
	_, err := client.Place(ctx, uuid.NewString(), terms)
	var failed *Error
	if !errors.As(err, &failed) || failed.Code != codes.InvalidArgument {
		t.Fatal(err)
	}
	if len(failed.Violations) != 1 || failed.Violations[0].Field != "terms.quantity" {
		t.Errorf("%v", failed.Violations)
	}
}

func TestNobodySignedInIsToldBeforeAnythingIsSent(t *testing.T) {
	client, err := Open(Address, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Cash(context.Background()); !errors.Is(err, ErrSignedOut) {
		t.Error(err)
	}
}
