// Package pipeline puts a scheduler between channels: plain Go channels in, plain Go channels out. Several
// stages and several pipelines can share one scheduler. Together they then keep within its limits.
//
//	ctx, abort := pipeline.WithAbort(ctx)
//	defer abort(nil)
//
//	urls := pipeline.FromSlice(ctx, list)
//	pages := pipeline.Map(ctx, s, urls, fetch)
//	for page, err := range pipeline.ToSeq2(ctx, pages) {
//		// …
//	}
//
// The stages work with hand-written goroutines and with the stages of other libraries, because all they need
// is a channel.
//
// # Words
//
// A stage takes items from an input and hands them on to an output. It starts when its function is
// called, works in goroutines of its own, and ends by closing its output. Outputs are unbuffered:
// an item is handed on at the moment the reader takes it. An item is in hand from when a stage has
// taken it until it is handed on or dropped. [ForEach] and the sequences of [ToSeq] and [ToSeq2] have
// no output: they work until they return, in the caller's goroutine.
//
// A stage is ordered if items leave it in the order in which they came. It is concurrent if it runs several
// calls of its work at a time. All other stages handle one item after another. The limits of the scheduler, and
// [Concurrency] if it is given, decide how many calls run.
//
// Functions whose names end in N take a function that returns the weight of an item. The others use weight 1
// for every item. With [Cost] a stage also asks what each item costs in another unit, such as tokens.
//
// # Permits
//
// A stage first takes an item and then asks for the permit. So an idle stage is not in line. Stages that share
// a scheduler are served in the order in which items reached them. Even a concurrent stage has at most one
// ticket in line. So two busy stages take turns, and items get their permits in the order of the input.
//
// [Map], [OrderedMap], [ForEach] and their N forms hold the permit until the work on the item returns. So
// windows and burst hold for the work itself. [Throttle] and [ThrottleN] give it back at once, before the item
// is handed on.
//
// No stage holds a permit while it waits for another stage. Otherwise two stages that share a scheduler could
// wait for each other: one for the permit, the other for the reader of its item.
//
// A stage works until its context ends. A deadline of the context does not make it give up earlier, as it does
// with [scheduler.Scheduler.Acquire]. A scheduler refuses a ticket that would have to wait if it is NonBlocking
// or its line is full. Then the item gets the error; see Faults.
//
// # The input closes
//
// Closing the input drains: everything that was accepted comes out, then the output closes.
//
// # The context ends
//
// The end of the context aborts: the stage takes no more items, hands none on, and closes its output. It
// withdraws its ticket in line and gives its permits back. This happens even if the output is not read and the
// input stays open. Work that is running sees the end of the context it was given. The output closes when that
// work has returned.
//
// The stage drops the items it has in hand. Each function says which items those can be. If reader and writer
// meet at the instant of the end, the item has been handed on. Give all stages of a pipeline one context, and
// check that one. When an abort closes a channel, the context's Err is already set. So the stages of this
// package never take an abort for a drain. A context that is derived from the pipeline's ends a little later.
// Stages may have such a context only if the pipeline's was made by [WithAbort].
//
// # Downstream stops reading
//
// If its output is not read, a stage waits, holds no permit, and takes no more items. So do the stages before
// it. They wait until the reader comes back or the context ends. So if you stop reading early, end the
// context: "defer abort(nil)" does that. To wait until all work has returned, then read the last output to
// its end: "abort(nil); for range out {}".
//
// Memory is bounded. A stage holds one item, a batch its size, and a concurrent stage as many as the burst or
// [Concurrency], and [Buffer], allow. A concurrent stage with neither burst nor Concurrency holds as many
// finished results as Buffer says, 1,000 by default. The calls that still run when it stops taking items add
// their results.
//
// # Faults
//
// A stage has a fault if it cannot go on. Either its scheduler is closed, or the scheduler refuses an item and
// the stage's output has no place for an error. The stage hands on what it still can. Then it ends the context
// with the fault as its cause, and closes its output. The context must be one of [WithAbort] for that. All
// other stages then stop too, and [context.Cause] tells the reader whether the stream ended or a stage had a
// fault.
//
// With any other context a fault can only close the output. So do not close a scheduler under a
// [Throttle] whose context was not made by WithAbort. Map and OrderedMap also return a fault as the last
// result, and ForEach returns it. They need no such context, but the stages before them do: otherwise those
// wait until their context ends.
//
// Errors of the work itself are not faults. They travel as [Result] in place of the value: [ToSeq2] gives them
// to the end of the pipeline, and [Values] makes the first of them a fault.
//
// # Panics
//
// A panic in a function that a stage was given is not recovered. The stage releases the permit. Then the
// program crashes with the stack of the panic, as it does for a panic in any goroutine. The function may also
// end its goroutine with [runtime.Goexit], as t.FailNow of a test does. Then the result of the item is
// [ErrExited]. A stage without results has ErrExited as its fault.
//
// # Nil
//
// A nil channel stands for no stream: a nil input gives a nil output at once, and ForEach returns. A
// nil slice is a slice of no items.
package pipeline
