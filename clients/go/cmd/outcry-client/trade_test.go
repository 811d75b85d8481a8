package main

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"

	"outcry.example/client"
	ordersv1 "outcry.example/client/gen/outcry/orders/v1"
)

func TestAServiceThatHasNotHeardOfTheUserIsAskedAgain(t *testing.T) {
	answers := []error{&outcry.Error{Code: codes.FailedPrecondition, Reason: notReady}, nil, nil}
	looks := 0
	err := soon(context.Background(), func() (bool, error) {
		looks++
		return looks == len(answers), answers[looks-1]
	})
	if err != nil || looks != len(answers) {
		t.Errorf("%d looks, %v", looks, err)
	}
}

func TestAnyOtherRefusalEndsTheLooks(t *testing.T) {
	refused := &outcry.Error{Code: codes.FailedPrecondition, Reason: "ACCOUNT_FROZEN"}
	looks := 0
	err := soon(context.Background(), func() (bool, error) { looks++; return false, refused })
	if !errors.Is(err, refused) || looks != 1 {
		t.Errorf("%d looks, %v", looks, err)
	}
}

func TestTheLooksEndWithTheContextAndSayWhatWasSeen(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	early := &outcry.Error{Code: codes.FailedPrecondition, Reason: notReady}
	err := soon(ctx, func() (bool, error) { cancel(); return false, early })
	if !errors.Is(err, early) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestOnlyOrdersOfANewUserAreTooEarly(t *testing.T) {
	for reason, expected := range map[ordersv1.RejectReason]bool{
		ordersv1.RejectReason_REJECT_REASON_ACCOUNT_NOT_READY:  true,
		ordersv1.RejectReason_REJECT_REASON_PORTFOLIO_NOT_OPEN: true,
		ordersv1.RejectReason_REJECT_REASON_UNSPECIFIED:        false,
		ordersv1.RejectReason_REJECT_REASON_INSUFFICIENT_FUNDS: false,
	} {
		if found := tooEarly(&ordersv1.Order{RejectReason: reason}); found != expected {
			t.Errorf("%v: %v", reason, found)
		}
	}
}
