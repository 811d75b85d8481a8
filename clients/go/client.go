// Package outcry is a client of the Outcry trading platform.
//
// Every call has a deadline. Calls that the contract lets repeat are repeated when the platform
// is busy or starts again, with the same request id. Errors are of type [*Error].
package outcry

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	fundsv1 "outcry.example/client/gen/outcry/funds/v1"
	ordersv1 "outcry.example/client/gen/outcry/orders/v1"
	paymentsv1 "outcry.example/client/gen/outcry/payments/v1"
	typesv1 "outcry.example/client/gen/outcry/types/v1"
	usersv1 "outcry.example/client/gen/outcry/users/v1"
	"outcry.example/client/internal/pause"
)

const (
	// Address is where the platform listens unless told otherwise.
	Address = "http://127.0.0.1:7400"
	// keepaliveEvery finds a dead connection while a stream is silent.
	keepaliveEvery = 30 * time.Second
	// keepaliveWithin is how long an answer to that may take.
	keepaliveWithin = 10 * time.Second
	// depositPoll is how often a deposit is looked at while its provider works.
	depositPoll = 200 * time.Millisecond
)

// Client is safe for use by several goroutines. Close it in the end.
type Client struct {
	connection *grpc.ClientConn
	session    session
}

// Open prepares a client; it connects with the first call. The address is like [Address], or
// begins with https://. `encryption` may be nil: then the system's authorities are trusted.
func Open(address string, encryption *tls.Config) (*Client, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || parsed.User != nil {
		return nil, fmt.Errorf("the platform's address must be like %s", Address)
	}
	target := parsed.Host
	var protection credentials.TransportCredentials
	switch parsed.Scheme {
	case "http":
		protection = insecure.NewCredentials()
		if parsed.Port() == "" {
			target += ":80"
		}
	case "https":
		protection = credentials.NewTLS(encryption)
		if parsed.Port() == "" {
			target += ":443"
		}
	default:
		return nil, fmt.Errorf("the platform's address must begin with http:// or https://, not %q", parsed.Scheme)
	}
	client := &Client{}
	client.connection, err = grpc.NewClient(target,
		grpc.WithTransportCredentials(protection),
		grpc.WithUnaryInterceptor(client.unary),
		grpc.WithStreamInterceptor(client.stream),
		// Retries are decided in one place, see unary.
		grpc.WithDisableRetry(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveEvery, Timeout: keepaliveWithin}),
	)
	if err != nil {
		return nil, err
	}
	return client, nil
}

// Close ends the connection and whatever runs on it.
func (c *Client) Close() error { return c.connection.Close() }

// Connection is for services of the contract that have no method here: their generated clients get
// deadline, token, repetitions and typed errors from it, too.
func (c *Client) Connection() grpc.ClientConnInterface { return c.connection }

// Users registers and shows users.
func (c *Client) Users() usersv1.UserServiceClient { return usersv1.NewUserServiceClient(c.connection) }

// Orders shows and changes orders.
func (c *Client) Orders() ordersv1.OrderServiceClient {
	return ordersv1.NewOrderServiceClient(c.connection)
}

// Register registers a user. After an error, the same request id answers with the user of the first.
func (c *Client) Register(ctx context.Context, requestID, email, password, name string) (*usersv1.User, error) {
	answer, err := c.Users().Register(ctx, &usersv1.RegisterRequest{
		RequestId: requestID, Email: email, Password: password, DisplayName: name,
	})
	return answer.GetUser(), err
}

// Cash is what the caller can spend; nil while the account has none.
func (c *Client) Cash(ctx context.Context) (*typesv1.Money, error) {
	answer, err := fundsv1.NewFundsServiceClient(c.connection).GetBalances(ctx, &fundsv1.GetBalancesRequest{})
	if err != nil {
		return nil, err
	}
	for _, balance := range answer.GetBalances() {
		if cash := balance.GetAvailable().GetCash(); cash != nil {
			return cash, nil
		}
	}
	return nil, nil
}

// Deposit pays in and waits until the provider has decided. Keep the request id, and send it again
// after an error: the same id never pays twice, and goes on waiting for the first.
func (c *Client) Deposit(ctx context.Context, requestID string, amount *typesv1.Money) (*paymentsv1.Payment, error) {
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	payments := paymentsv1.NewPaymentServiceClient(c.connection)
	created, err := payments.CreatePayment(ctx, &paymentsv1.CreatePaymentRequest{RequestId: requestID, Amount: amount})
	if err != nil {
		return nil, err
	}
	payment := created.GetPayment()
	for payment.GetStatus() == paymentsv1.PaymentStatus_PAYMENT_STATUS_PENDING {
		if err := pause.Wait(ctx, depositPoll); err != nil {
			return payment, err
		}
		answer, err := payments.GetPayment(ctx, &paymentsv1.GetPaymentRequest{PaymentId: payment.GetPaymentId()})
		if err != nil {
			return payment, err
		}
		payment = answer.GetPayment()
	}
	if payment.GetStatus() != paymentsv1.PaymentStatus_PAYMENT_STATUS_SUCCESS {
		return payment, fmt.Errorf("the deposit ended as %s, %s", payment.GetStatus(), payment.GetFailure())
	}
	return payment, nil
}

// Place places an order and answers when the venue has decided. Keep the request id of an order
// that must not be placed twice, and send it again after an error.
func (c *Client) Place(ctx context.Context, requestID string, terms *ordersv1.OrderTerms) (*ordersv1.Order, error) {
	answer, err := c.Orders().PlaceOrder(ctx, &ordersv1.PlaceOrderRequest{RequestId: requestID, Terms: terms})
	return answer.GetOrder(), err
}

// Cancel takes an order off the market.
func (c *Client) Cancel(ctx context.Context, requestID, orderID string) (*ordersv1.Order, error) {
	answer, err := c.Orders().CancelOrder(ctx, &ordersv1.CancelOrderRequest{RequestId: requestID, OrderId: orderID})
	return answer.GetOrder(), err
}
