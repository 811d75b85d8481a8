package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"outcry.example/client"
	ordersv1 "outcry.example/client/gen/outcry/orders/v1"
	tradesv1 "outcry.example/client/gen/outcry/trades/v1"
	typesv1 "outcry.example/client/gen/outcry/types/v1"
	"outcry.example/client/internal/pause"
)

const (
	// tradeWithin bounds the whole command.
	tradeWithin = time.Minute
	// cashWanted is deposited when less is available.
	cashWanted = "1000"
	// soonPoll is how often something is looked for that will be there soon.
	soonPoll = 100 * time.Millisecond
	// notReady is what a new user's first calls are answered with, until all services have heard of
	// the user.
	notReady = "ACCOUNT_NOT_READY"
	// farBPS is how far from the market an order is that shall not be filled, in ten-thousandths,
	// unless the market's band is narrower.
	farBPS = 5000
	bps    = 10_000
	// rawPerUnit and nanosPerRaw: the platform counts in ten-thousandths.
	rawPerUnit  = 10_000
	nanosPerRaw = 100_000
)

// traded is the line of a trade.
type traded struct {
	OrderID      string   `json:"order_id"`
	Status       string   `json:"status"`
	Quantity     string   `json:"quantity"`
	AveragePrice string   `json:"average_price"`
	Updates      []string `json:"updates"`
	Cancelled    string   `json:"cancelled"`
	Refusal      refusal  `json:"refusal"`
}

// refusal is what an order that is not valid was answered with.
type refusal struct {
	Code       string             `json:"code"`
	Reason     string             `json:"reason"`
	Violations []outcry.Violation `json:"violations"`
}

func trade(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("trade", flag.ContinueOnError)
	symbol := flags.String("symbol", "", "what to buy")
	quantity := flags.Int64("quantity", 1, "how many")
	limit := flags.String("limit", "", "at which price at most; at the market if left out")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *symbol == "" || flags.NArg() > 0 {
		return errors.New(usage)
	}
	ctx, cancel := context.WithTimeout(ctx, tradeWithin)
	defer cancel()
	client, err := signIn(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := pay(ctx, client); err != nil {
		return fmt.Errorf("depositing: %w", err)
	}
	updates := follow(ctx, client, *symbol)
	line := traded{}
	if err := line.buy(ctx, client, updates, *symbol, *quantity, *limit); err != nil {
		return fmt.Errorf("buying: %w", err)
	}
	if err := line.placeAndCancel(ctx, client, updates, *symbol); err != nil {
		return fmt.Errorf("cancelling: %w", err)
	}
	if err := line.refuse(ctx, client, *symbol); err != nil {
		return err
	}
	return show(line)
}

func signIn(ctx context.Context) (*outcry.Client, error) {
	address := os.Getenv("OUTCRY_ADDRESS")
	if address == "" {
		address = outcry.Address
	}
	email, err := setting("OUTCRY_EMAIL")
	if err != nil {
		return nil, err
	}
	password, err := setting("OUTCRY_PASSWORD")
	if err != nil {
		return nil, err
	}
	client, err := outcry.Open(address, nil)
	if err != nil {
		return nil, err
	}
	_, err = client.SignIn(ctx, email, password)
	var failed *outcry.Error
	if errors.As(err, &failed) && failed.Code == codes.Unauthenticated {
		// Nobody has that address, or the password is wrong; registering tells which.
		if _, err = client.Register(ctx, uuid.NewString(), email, password, "Go client"); err == nil {
			_, err = client.SignIn(ctx, email, password)
		} else if errors.As(err, &failed) && failed.Code == codes.AlreadyExists {
			err = fmt.Errorf("the password is wrong: %w", err)
		}
	}
	if err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("signing in: %w", err)
	}
	return client, nil
}

// pay sees to it that there is cash.
func pay(ctx context.Context, client *outcry.Client) error {
	wanted, err := outcry.Dollars(cashWanted)
	if err != nil {
		return err
	}
	rich := false
	look := func() error {
		cash, err := client.Cash(ctx)
		rich = raw(cash) >= raw(wanted)
		return err
	}
	if err := soon(ctx, func() (bool, error) { err := look(); return true, err }); err != nil || rich {
		return err
	}
	id := uuid.NewString()
	if err := soon(ctx, func() (bool, error) { _, err := client.Deposit(ctx, id, wanted); return true, err }); err != nil {
		return err
	}
	if err := soon(ctx, func() (bool, error) { err := look(); return rich, err }); err != nil {
		return fmt.Errorf("captured, but not in the account: %w", err)
	}
	return nil
}

// soon looks until there is something, or the context ends. A service that has not heard of the user
// yet is asked again.
func soon(ctx context.Context, look func() (bool, error)) error {
	for {
		there, err := look()
		var failed *outcry.Error
		early := errors.As(err, &failed) && failed.Reason == notReady
		switch {
		case err != nil && !early:
			return err
		case err == nil && there:
			return nil
		}
		if ended := pause.Wait(ctx, soonPoll); ended != nil {
			return errors.Join(err, ended)
		}
	}
}

// followed is what the stream of updates has given.
type followed struct {
	update *outcry.Update
	err    error
}

// follow begins before the first order, as a program that must not miss anything would. It ends
// with the context.
func follow(ctx context.Context, client *outcry.Client, symbol string) <-chan followed {
	updates := make(chan followed)
	go func() {
		defer close(updates)
		for update, err := range client.WatchOrders(ctx, 0, symbol) {
			select {
			case updates <- followed{update, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return updates
}

// orderTopics begins the topics of the order's own facts.
const orderTopics = "order."

// until reads on until the order itself is final, and tells the topics of its updates. The venue's
// answer (`trade.placed`) may show a final status a moment before the fact of it (`order.filled`).
func until(updates <-chan followed, orderID string) (*ordersv1.Order, []string, error) {
	topics := []string{}
	for next := range updates {
		if next.err != nil {
			return nil, topics, next.err
		}
		order := next.update.GetOrder()
		if order.GetOrderId() != orderID {
			continue
		}
		topics = append(topics, next.update.GetTopic())
		if !strings.HasPrefix(next.update.GetTopic(), orderTopics) {
			continue
		}
		switch order.GetStatus() {
		case ordersv1.OrderStatus_ORDER_STATUS_FILLED, ordersv1.OrderStatus_ORDER_STATUS_CANCELLED,
			ordersv1.OrderStatus_ORDER_STATUS_REJECTED, ordersv1.OrderStatus_ORDER_STATUS_EXPIRED:
			return order, topics, nil
		}
	}
	return nil, topics, errors.New("the order was not decided in time")
}

func (t *traded) buy(ctx context.Context, client *outcry.Client, updates <-chan followed, symbol string, quantity int64, limit string) error {
	terms := &ordersv1.OrderTerms{
		Symbol: symbol, Side: ordersv1.Side_SIDE_BUY, Type: ordersv1.OrderType_ORDER_TYPE_MARKET,
		Quantity: quantity, TimeInForce: ordersv1.TimeInForce_TIME_IN_FORCE_DAY,
	}
	if limit != "" {
		price, err := outcry.Dollars(limit)
		if err != nil {
			return err
		}
		terms.Type, terms.LimitPrice = ordersv1.OrderType_ORDER_TYPE_LIMIT, price
	}
	var order *ordersv1.Order
	var topics []string
	err := soon(ctx, func() (bool, error) {
		// A rejection is the answer to its request id for good, so the next try has another.
		placed, err := client.Place(ctx, uuid.NewString(), terms)
		if err != nil {
			return false, err
		}
		order, topics, err = until(updates, placed.GetOrderId())
		return !tooEarly(order), err
	})
	if err != nil {
		return err
	}
	if order.GetStatus() != ordersv1.OrderStatus_ORDER_STATUS_FILLED {
		return fmt.Errorf("order %s is %s: %s", order.GetOrderId(), statusName(order), order.GetMessage())
	}
	t.OrderID, t.Status, t.Updates = order.GetOrderId(), statusName(order), topics
	t.Quantity = strconv.FormatInt(order.GetCumulativeQuantity(), 10)
	t.AveragePrice = outcry.Decimal(order.GetAveragePrice())
	return nil
}

// tooEarly tells whether an order was rejected only because the user is new.
func tooEarly(order *ordersv1.Order) bool {
	switch order.GetRejectReason() {
	case ordersv1.RejectReason_REJECT_REASON_ACCOUNT_NOT_READY, ordersv1.RejectReason_REJECT_REASON_PORTFOLIO_NOT_OPEN:
		return true
	default:
		return false
	}
}

func (t *traded) placeAndCancel(ctx context.Context, client *outcry.Client, updates <-chan followed, symbol string) error {
	price, err := farPrice(ctx, client, symbol)
	if err != nil {
		return err
	}
	placed, err := client.Place(ctx, uuid.NewString(), &ordersv1.OrderTerms{
		Symbol: symbol, Side: ordersv1.Side_SIDE_BUY, Type: ordersv1.OrderType_ORDER_TYPE_LIMIT,
		Quantity: 1, LimitPrice: price, TimeInForce: ordersv1.TimeInForce_TIME_IN_FORCE_GTC,
	})
	if err != nil {
		return err
	}
	if placed.GetStatus() == ordersv1.OrderStatus_ORDER_STATUS_REJECTED {
		return fmt.Errorf("the order at %s was refused: %s", outcry.Decimal(price), placed.GetMessage())
	}
	if _, err := client.Cancel(ctx, uuid.NewString(), placed.GetOrderId()); err != nil {
		return err
	}
	order, _, err := until(updates, placed.GetOrderId())
	if err != nil {
		return err
	}
	if order.GetStatus() != ordersv1.OrderStatus_ORDER_STATUS_CANCELLED {
		return fmt.Errorf("order %s is %s", order.GetOrderId(), statusName(order))
	}
	t.Cancelled = order.GetOrderId()
	return nil
}

// refuse tries an order of nothing.
func (t *traded) refuse(ctx context.Context, client *outcry.Client, symbol string) error {
	_, err := client.Place(ctx, uuid.NewString(), &ordersv1.OrderTerms{
		Symbol: symbol, Side: ordersv1.Side_SIDE_BUY, Type: ordersv1.OrderType_ORDER_TYPE_MARKET,
		Quantity: 0, TimeInForce: ordersv1.TimeInForce_TIME_IN_FORCE_DAY,
	})
	var failed *outcry.Error
	if !errors.As(err, &failed) {
		return fmt.Errorf("an order of nothing was answered with: %w", err)
	}
	t.Refusal = refusal{outcry.CodeName(failed.Code), failed.Reason, []outcry.Violation{}}
	for _, violation := range failed.Violations {
		// A platform that does not name the rule says it in words.
		violation.Rule = cmp.Or(violation.Rule, violation.Description)
		t.Refusal.Violations = append(t.Refusal.Violations, violation)
	}
	if failed.Code != codes.InvalidArgument {
		return fmt.Errorf("an order of nothing was answered with: %w", err)
	}
	return nil
}

// farPrice is a buyer's price far from the market, within the band and on a tick.
func farPrice(ctx context.Context, client *outcry.Client, symbol string) (*typesv1.Money, error) {
	trades := tradesv1.NewTradeServiceClient(client.Connection())
	answer, err := trades.ListInstruments(ctx, &tradesv1.ListInstrumentsRequest{})
	if err != nil {
		return nil, err
	}
	for _, instrument := range answer.GetInstruments() {
		if instrument.GetSymbol() != symbol {
			continue
		}
		away := int64(farBPS)
		if band := int64(instrument.GetBandBps()); band > 0 {
			away = min(away, band/2)
		}
		tick := max(raw(instrument.GetTick()), 1)
		price := raw(instrument.GetReferencePrice()) * (bps - away) / bps / tick * tick
		return &typesv1.Money{
			CurrencyCode: instrument.GetReferencePrice().GetCurrencyCode(),
			Units:        price / rawPerUnit,
			Nanos:        int32(price % rawPerUnit * nanosPerRaw),
		}, nil
	}
	return nil, fmt.Errorf("%s is not traded", symbol)
}

// raw counts an amount in ten-thousandths.
func raw(money *typesv1.Money) int64 {
	return money.GetUnits()*rawPerUnit + int64(money.GetNanos())/nanosPerRaw
}

// statusName is `FILLED` of ORDER_STATUS_FILLED.
func statusName(order *ordersv1.Order) string {
	return order.GetStatus().String()[len("ORDER_STATUS_"):]
}
