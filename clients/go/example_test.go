package outcry_test

import (
	"context"
	"errors"
	"log"
	"os"

	"github.com/google/uuid"

	"outcry.example/client"
	"outcry.example/client/events"
	ordersv1 "outcry.example/client/gen/outcry/orders/v1"
)

func ExampleClient() {
	ctx := context.Background()
	client, err := outcry.Open(outcry.Address, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if _, err := client.SignIn(ctx, os.Getenv("OUTCRY_EMAIL"), os.Getenv("OUTCRY_PASSWORD")); err != nil {
		log.Fatal(err)
	}
	_, err = client.Place(ctx, uuid.NewString(), &ordersv1.OrderTerms{
		Symbol: "MSFT", Side: ordersv1.Side_SIDE_BUY, Type: ordersv1.OrderType_ORDER_TYPE_MARKET,
		Quantity: 1, TimeInForce: ordersv1.TimeInForce_TIME_IN_FORCE_DAY,
	})
	var failed *outcry.Error
	if errors.As(err, &failed) {
		for _, violation := range failed.Violations {
			log.Printf("%s %s: %s", failed.Reason, violation.Field, violation.Description)
		}
	}
	for update, err := range client.WatchOrders(ctx, 0, "") {
		if err != nil {
			log.Fatal(err)
		}
		log.Print(update.GetTopic())
	}
}

func Example_consumer() {
	consumer := events.Consumer{
		Address: os.Getenv("OUTCRY_AMQP"),
		Queue:   "billing.fills",
		Topics:  []string{"order.filled"},
		Unknown: events.BuryUnknown,
		Handle: func(_ context.Context, event *events.Event) error {
			if fill, is := event.Payload.(*ordersv1.OrderFilledEvent); is {
				log.Print(fill.GetLastQuantity())
			}
			return nil
		},
	}
	if err := consumer.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
