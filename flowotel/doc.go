// Package flowotel exports the state and totals of schedulers to OpenTelemetry.
//
// [Register] makes the instruments below observe a scheduler at each collection. [Waits] is the histogram of
// how long tickets waited. Pass it to the reader:
//
//	waits := new(flowotel.Waits)
//	reader := metric.NewPeriodicReader(exporter, metric.WithProducer(waits))
//	meter := metric.NewMeterProvider(metric.WithReader(reader)).Meter("my-service")
//
//	registration, err := flowotel.Register(meter, "github", s)
//	waits.Add("github", s)
//
// All figures come from [scheduler.Stats], which the owner of the scheduler counts. So nothing is lost or
// sampled. It costs nothing between collections, and one Stats for each collection.
//
//	flowguard.scheduler.waiting         tickets in line                                             {ticket}
//	flowguard.scheduler.in_use          permits granted and not yet given back                      {permit}
//	flowguard.scheduler.burst.limit     the cap on permits in use; not observed if there is none    {permit}
//	flowguard.scheduler.paused          1 while a pause lasts, else 0
//	flowguard.scheduler.quota.leased    permits of a shared quota that are leased and unused        {permit}
//	flowguard.scheduler.quota.away      1 while that source cannot be reached, else 0
//	flowguard.scheduler.window.used     permits, or amounts of its unit, that count now             {permit}
//	flowguard.scheduler.window.limit    the most that may count                                     {permit}
//	flowguard.scheduler.enqueued        tickets that were accepted                                  {ticket}
//	flowguard.scheduler.granted         tickets that were granted                                   {ticket}
//	flowguard.scheduler.undone          grants that were taken back: the caller had gone            {ticket}
//	flowguard.scheduler.released        tickets whose permits were given back                       {ticket}
//	flowguard.scheduler.given_up        tickets that left the line without a grant                  {ticket}
//	flowguard.scheduler.refused         tickets that were not accepted, by error.type               {ticket}
//	flowguard.scheduler.held            how long released tickets were held, all together           s
//	flowguard.scheduler.flow.granted    grants by flow, only with [WithFlows]                       {ticket}
//	flowguard.scheduler.wait_time       the histogram of [Waits]                                    s
//
// paused and quota.away are gauges. The other lines up to window.limit are UpDownCounters, and those from
// enqueued to flow.granted are monotonic counters. held is observed only if the scheduler has
// [scheduler.WithHeldTime].
//
// Each observation has the attribute flowguard.scheduler.name. Those of windows have flowguard.window, the text of the window such
// as "100/min", and flowguard.unit if it counts something other than permits. After SetLimits the new windows are observed.
// error.type is one of the names of [scheduler.Refusals.All], such as "queue_full".
//
// Names follow OpenTelemetry's db.client.connection metrics. The Prometheus exporter shows them as
// flowguard_scheduler_waiting and the like.
package flowotel
