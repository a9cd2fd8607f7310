package flowgrpc_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/flowguard-go/flowguard/flowgrpc"
	"github.com/flowguard-go/flowguard/scheduler"
)

// A server that serves two calls a minute tells the third when to come back.
func ExampleServerOptions() {
	s, err := scheduler.New(scheduler.MustParseLimits("2/min burst 10"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	server := grpc.NewServer(flowgrpc.ServerOptions(flowgrpc.Limit{Scheduler: flowgrpc.Always(s)})...)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	address, stop := listen(server)
	defer stop()

	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)
	for range 3 {
		_, err := client.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
		fmt.Println(status.Code(err))
		for _, detail := range status.Convert(err).Details() {
			switch detail := detail.(type) {
			case *errdetails.RetryInfo:
				fmt.Println("come back in", detail.GetRetryDelay().AsDuration().Round(time.Minute))
			case *errdetails.QuotaFailure:
				fmt.Println("because of the", detail.GetViolations()[0].GetDescription())
			}
		}
	}
	// Output:
	// OK
	// OK
	// ResourceExhausted
	// come back in 1m0s
	// because of the limit 2/min
}

// A client that makes at most five calls in any 200 ms. If the server says "not so fast", all calls wait.
func ExampleDialOptions() {
	s, err := scheduler.New(scheduler.MustParseLimits("5/200ms"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	address, stop := listen(server)
	defer stop()

	options := flowgrpc.DialOptions(flowgrpc.Calls{Scheduler: flowgrpc.Always(s)})
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)
	began := time.Now()
	for range 12 {
		if _, err := client.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("12 calls took more than 400 ms:", time.Since(began) > 400*time.Millisecond)
	// Output: 12 calls took more than 400 ms: true
}

// listen starts a server on a port of this machine, and returns its address and what ends it.
func listen(server *grpc.Server) (address string, stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(listener)
	return listener.Addr().String(), server.Stop
}
