package outcry

import (
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	ordersv1 "outcry.example/client/gen/outcry/orders/v1"
	usersv1 "outcry.example/client/gen/outcry/users/v1"
)

func TestOnlyWhatTheContractLetsRepeatIsRepeated(t *testing.T) {
	for _, one := range []struct {
		path     string
		request  any
		expected bool
	}{
		{usersv1.UserService_Login_FullMethodName, &usersv1.LoginRequest{}, false},
		{usersv1.UserService_Refresh_FullMethodName, &usersv1.RefreshRequest{}, false},
		{usersv1.UserService_Logout_FullMethodName, &usersv1.LogoutRequest{}, true},
		{ordersv1.OrderService_GetOrder_FullMethodName, &ordersv1.GetOrderRequest{}, true},
		{ordersv1.OrderService_PlaceOrder_FullMethodName, &ordersv1.PlaceOrderRequest{RequestId: "one"}, true},
		{ordersv1.OrderService_PlaceOrder_FullMethodName, &ordersv1.PlaceOrderRequest{}, false},
	} {
		method, err := methodOf(one.path)
		if err != nil {
			t.Fatal(err)
		}
		if found := repeatable(idempotency(method), one.request); found != one.expected {
			t.Errorf("%s %v: %v", one.path, one.request, found)
		}
	}
}

func TestAnAttemptIsRepeatedWhenThePlatformIsAwayOrBusy(t *testing.T) {
	for code, expected := range map[codes.Code]bool{
		codes.Unavailable: true, codes.ResourceExhausted: true,
		codes.DeadlineExceeded: false, codes.InvalidArgument: false, codes.Internal: false, codes.Aborted: false,
	} {
		if _, repeat := again(&Error{Code: code}, 1, time.Minute); repeat != expected {
			t.Errorf("%s: %v", code, repeat)
		}
	}
	if _, repeat := again(&Error{Code: codes.Unavailable}, attemptsMax, time.Minute); repeat {
		t.Error("the attempts have no end")
	}
}

func TestTheWaitThatThePlatformAsksForIsKept(t *testing.T) {
	busy := &Error{Code: codes.ResourceExhausted, RetryAfter: 7 * time.Second}
	if wait, repeat := again(busy, 1, time.Minute); !repeat || wait != 7*time.Second {
		t.Errorf("%v, %v", wait, repeat)
	}
	if _, repeat := again(busy, 1, 5*time.Second); repeat {
		t.Error("waits beyond the deadline")
	}
}

func TestWaitsGrowUpToABound(t *testing.T) {
	for failures := 1; failures < 100; failures++ {
		if wait := callPauses.Before(failures); wait < callPauses.First/2 || wait > callPauses.Longest {
			t.Errorf("waits %v after %d failures", wait, failures)
		}
	}
	if wait := callPauses.Before(99); wait < callPauses.Longest/2 {
		t.Errorf("waits only %v after many failures", wait)
	}
}

func TestErrorDetailsBecomeATypedError(t *testing.T) {
	detailed, err := status.New(codes.InvalidArgument, "no").WithDetails(
		&errdetails.ErrorInfo{Reason: "INVALID_FIELD", Domain: "outcry"},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "terms.quantity", Reason: "int64.gte", Description: "must be at least 1"},
		}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)},
	)
	if err != nil {
		t.Fatal(err)
	}
	failed := failure(detailed.Err())
	if failed.Code != codes.InvalidArgument || failed.Reason != "INVALID_FIELD" || failed.RetryAfter != time.Second {
		t.Errorf("%+v", failed)
	}
	if len(failed.Violations) != 1 || failed.Violations[0] != (Violation{"terms.quantity", "int64.gte", "must be at least 1"}) {
		t.Errorf("%v", failed.Violations)
	}
	if status.Code(failed) != codes.InvalidArgument {
		t.Error("gRPC's own functions do not see the code")
	}
	if failed.Error() != "INVALID_ARGUMENT INVALID_FIELD: no" {
		t.Error(failed)
	}
}

func TestStreamsAreOpenedAgainAfterWhatPasses(t *testing.T) {
	for _, one := range []struct {
		failed   *Error
		expected bool
	}{
		{&Error{Code: codes.Unavailable, Reason: "RECONNECT"}, true},
		{&Error{Code: codes.ResourceExhausted, Reason: "SUBSCRIBER_TOO_SLOW"}, true},
		{&Error{Code: codes.Internal, Reason: "STREAM_BROKEN"}, true},
		{&Error{Code: codes.Unauthenticated}, true},
		{&Error{Code: codes.OutOfRange, Reason: "SEQUENCE_BEYOND_END"}, false},
		{&Error{Code: codes.PermissionDenied}, false},
	} {
		if _, reopen := reopenAfter(one.failed, 1); reopen != one.expected {
			t.Errorf("%v: %v", one.failed, reopen)
		}
	}
	if _, reopen := reopenAfter(&Error{Code: codes.Unavailable}, reopensMax+1); reopen {
		t.Error("the attempts have no end")
	}
}

func TestATokenIsReplacedBeforeItEnds(t *testing.T) {
	now := time.Now()
	for life, expected := range map[time.Duration]time.Duration{
		15 * time.Minute: 14 * time.Minute, 3 * time.Minute: 2 * time.Minute, 30 * time.Second: 20 * time.Second,
	} {
		tokens := &usersv1.Tokens{AccessExpiresAt: timestamppb.New(now.Add(life))}
		if found := renewalTime(tokens, now); !found.Equal(now.Add(expected)) {
			t.Errorf("one of %v is replaced after %v", life, found.Sub(now))
		}
	}
	for _, spent := range []*usersv1.Tokens{{}, {AccessExpiresAt: timestamppb.New(now.Add(-time.Second))}} {
		if found := renewalTime(spent, now); found.After(now) {
			t.Errorf("%v is used for %v", spent, found.Sub(now))
		}
	}
}

func TestAmountsAreDecimalText(t *testing.T) {
	for text, expected := range map[string]string{"100.25": "100.25", "100": "100", "0.0001": "0.0001", "-0.5": "-0.5", "10.10": "10.1", "100.": "100"} {
		money, err := Dollars(text)
		if err != nil || Decimal(money) != expected {
			t.Errorf("%s became %s, %v", text, Decimal(money), err)
		}
	}
	for _, text := range []string{"", "x", "1.00001", "1.-1", "--1", ".5", "1e3"} {
		if money, err := Dollars(text); err == nil {
			t.Errorf("%q became %s", text, Decimal(money))
		}
	}
}

func TestAddressesWithoutSchemeOrWithPasswordAreRefused(t *testing.T) {
	for _, address := range []string{"127.0.0.1:7400", "ftp://127.0.0.1", "http://", "http://user:secret@127.0.0.1:7400"} {
		if _, err := Open(address, nil); err == nil {
			t.Errorf("%s was taken", address)
		}
	}
}
