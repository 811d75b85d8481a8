package outcry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	ordersv1 "outcry.example/client/gen/outcry/orders/v1"
	"outcry.example/client/internal/pause"
)

// liveWithin bounds each test against a running platform.
const liveWithin = 30 * time.Second

// platform is the address of a running one.
func platform(t *testing.T) string {
	t.Helper()
	address := os.Getenv("OUTCRY_ADDRESS")
	if address == "" {
		t.Skip("OUTCRY_ADDRESS is not set")
	}
	return address
}

// newcomer is a client of a user who has just registered.
func newcomer(t *testing.T, address string) (context.Context, *Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), liveWithin)
	t.Cleanup(cancel)
	client, err := Open(address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	email, password := "go-"+uuid.NewString()+"@outcry.example", uuid.NewString()
	if _, err := client.Register(ctx, uuid.NewString(), email, password, "Go test"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.SignIn(ctx, email, password); err != nil {
		t.Fatal(err)
	}
	return ctx, client
}

// fund deposits ten and waits until they are there.
func fund(ctx context.Context, t *testing.T, client *Client) {
	t.Helper()
	ten, err := Dollars("10")
	if err != nil {
		t.Fatal(err)
	}
	// Sent again, it is the same deposit: ten are there below, not twenty.
	id := uuid.NewString()
	first, err := client.Deposit(ctx, id, ten)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := client.Deposit(ctx, id, ten); err != nil || second.GetPaymentId() != first.GetPaymentId() {
		t.Fatalf("%v, %v", second, err)
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
	ctx, client := newcomer(t, platform(t))
	fund(ctx, t, client)
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

func TestUpdatesGoOnWithoutGapsWhenTheConnectionIsCut(t *testing.T) {
	wire := newWire(t, platform(t))
	ctx, client := newcomer(t, wire.address)
	fund(ctx, t, client)
	order, err := client.Place(ctx, uuid.NewString(), resting(t))
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	for update, err := range client.WatchOrders(ctx, 0, "") {
		if err != nil {
			t.Fatal(err)
		}
		if update.GetSequence() != last+1 {
			t.Fatalf("update %d came after %d", update.GetSequence(), last)
		}
		last = update.GetSequence()
		if last == 1 {
			wire.cut()
			// Sent over a connection that is gone, and so again with the same request id.
			if _, err := client.Cancel(ctx, uuid.NewString(), order.GetOrderId()); err != nil {
				t.Fatal(err)
			}
		}
		if update.GetTopic() == "order.cancelled" || update.GetTopic() == "order.rejected" {
			break
		}
	}
	if wire.connections() < 2 {
		t.Error("the connection was not opened again")
	}
}

func TestASessionGoesOnAfterItsTokenHasEnded(t *testing.T) {
	ctx, client := newcomer(t, platform(t))
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
	ctx, client := newcomer(t, platform(t))
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

// wire hands bytes on to the platform, until it is cut.
type wire struct {
	address string
	turn    sync.Mutex
	open    []net.Conn
	count   int
}

func newWire(t *testing.T, platform string) *wire {
	t.Helper()
	target, err := url.Parse(platform)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{address: "http://" + listener.Addr().String()}
	t.Cleanup(func() {
		_ = listener.Close()
		w.cut()
	})
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target.Host)
			if err != nil {
				_ = near.Close()
				continue
			}
			w.turn.Lock()
			w.open = append(w.open, near, far)
			w.count++
			w.turn.Unlock()
			go func() { _, _ = io.Copy(far, near) }()
			go func() { _, _ = io.Copy(near, far) }()
		}
	}()
	return w
}

// cut ends what is open.
func (w *wire) cut() {
	w.turn.Lock()
	defer w.turn.Unlock()
	for _, connection := range w.open {
		_ = connection.Close()
	}
	w.open = nil
}

func (w *wire) connections() int {
	w.turn.Lock()
	defer w.turn.Unlock()
	return w.count
}
