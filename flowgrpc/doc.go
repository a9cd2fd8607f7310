// Package flowgrpc keeps gRPC calls within the limits of a scheduler, in servers and in clients.
//
//	server := grpc.NewServer(flowgrpc.ServerOptions(flowgrpc.Limit{Scheduler: flowgrpc.Always(s)})...)
//
//	conn, err := grpc.NewClient(target, append(options, flowgrpc.DialOptions(flowgrpc.Calls{Scheduler: flowgrpc.Always(s)})...)...)
//
// In both, a call holds its permit until it ends, and a stream from when it is opened until it ends. So
// MaxBurst caps how many calls and streams are open at once.
//
// # Serving
//
// A call that finds no permit free does not wait unless [Limit.MaxWait] is set. It gets a status that the
// client's own retry policy understands, and the trailer grpc-retry-pushback-ms, which tells that policy when
// to try again:
//
//	a permit is free, or becomes free within MaxWait   the handler runs
//	no permit is free, and the wait is known           ResourceExhausted, RetryInfo, pushback of the wait
//	the same, but the call's deadline comes earlier    ResourceExhausted, RetryInfo, pushback -1: no retry
//	no permit is free, and a call must first end       ResourceExhausted
//	weight or cost is more than a limit can ever hold  ResourceExhausted, pushback -1: no retry
//	the call may wait, but the line is full            Unavailable, RetryInfo and pushback if the wait is known
//	the scheduler is paused                            Unavailable, RetryInfo and pushback if the end is known
//	the scheduler is closed or draining                Unavailable
//	the weight is below 1, the unit of a cost is not
//	one of the scheduler's, or the scheduler is nil    Internal
//	the client gives up while the call waits           Canceled or DeadlineExceeded
//
// RetryInfo and QuotaFailure, which names the limit, are details of the status
// (google.golang.org/genproto/googleapis/rpc/errdetails).
//
// # Calling
//
// A call waits for its permit as long as its context allows. It fails at once if its deadline comes before the
// earliest possible grant. The error has a status, and wraps the scheduler's error for errors.Is and As:
//
//	the deadline cannot be met, or has passed    DeadlineExceeded
//	the context was cancelled                    Canceled
//	a scheduler that does not block, a full line ResourceExhausted
//	weight or cost is invalid                    InvalidArgument
//	the scheduler is closed                      Unavailable
//
// If a server answers ResourceExhausted or Unavailable with a RetryInfo, all calls of the scheduler pause for
// that long.
//
// grpc-go can retry a call by itself, if the service config says so. It does so below all interceptors, with
// the permit that the call holds. So [DialOptions] also watches the attempts. It follows the advice in the
// answer to each attempt. It charges each attempt beyond the first to the windows, so that later calls wait for
// it. An attempt of grpc-go's own never waits for a permit itself.
package flowgrpc
