package flowgrpc_test

import (
	"context"
	"fmt"
	"log"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/flowguard-go/flowguard/flowgrpc"
	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

// tenantOf returns what the client says who it is.
func tenantOf(ctx context.Context, _ string) string {
	md, _ := metadata.FromIncomingContext(ctx)
	if names := md.Get("tenant"); len(names) > 0 {
		return names[0]
	}
	return ""
}

// checker returns a function that calls a server, which is limited by the set, as a tenant.
func checker(set *keyed.Set[string]) (check func(tenant string) error, stop func()) {
	server := grpc.NewServer(flowgrpc.ServerOptions(flowgrpc.Limit{Scheduler: flowgrpc.Keys(set, tenantOf)})...)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	address, stopServer := listen(server)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	client := grpc_health_v1.NewHealthClient(conn)
	check = func(tenant string) error {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "tenant", tenant)
		_, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return err
	}
	return check, func() { conn.Close(); stopServer() }
}

// Each tenant may make two calls a minute, whatever the others do.
func ExampleKeys() {
	perTenant := scheduler.MustParseLimits("2/min")
	set, err := keyed.New(func(string) scheduler.Limits { return perTenant })
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	check, stop := checker(set)
	defer stop()
	for range 3 {
		fmt.Println(status.Code(check("alice")), status.Code(check("bob")))
	}
	// Output:
	// OK OK
	// OK OK
	// ResourceExhausted ResourceExhausted
}

// Where there are too many keys a new one is told to come back later, and those that are there go on.
func TestKeysTooMany(t *testing.T) {
	perTenant := scheduler.MustParseLimits("2/min")
	set, err := keyed.New(func(string) scheduler.Limits { return perTenant }, keyed.MaxKeys(1))
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	check, stop := checker(set)
	defer stop()
	for i, want := range []codes.Code{codes.OK, codes.Unavailable, codes.OK, codes.Unavailable, codes.ResourceExhausted} {
		if got := status.Code(check([]string{"alice", "bob"}[i%2])); got != want {
			t.Errorf("call %d: %v, want %v", i, got, want)
		}
	}
	for _, f := range []func(){
		func() { flowgrpc.Keys(set, nil) },
		func() { flowgrpc.Keys(nil, tenantOf) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		}()
	}
}
