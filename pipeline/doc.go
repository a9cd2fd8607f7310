// Package pipeline puts a scheduler between channels: plain Go channels in, plain Go channels out,
// and a scheduler that several stages, and several pipelines, can share, so that together they stay
// inside the far side's limits.
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
// The stages go together with hand-written goroutines and with the stages of other libraries; they
// ask nothing of a channel but that it is one.
//
// # Words
//
// A stage takes items from an input and hands them on to an output. It starts when its function is
// called, works in goroutines of its own, and ends by closing its output. Outputs are unbuffered:
// an item is handed on at the moment the reader takes it. An item is in hand from when a stage has
// taken it until it is handed on or dropped. [ForEach] and the sequences of [ToSeq] and [ToSeq2] have
// no output: they work until they return, in the caller's goroutine.
//
// A stage is ordered if items leave it in the order in which they came. It is concurrent if it runs
// several calls of the work it was given at a time; all others handle one item after the other. The
// limits of the scheduler decide how many calls run, and so does [Concurrency] where it is given.
//
// The functions whose names end in N ask, for each item, a function for its weight. The others take
// 1 for every item. With [Cost] a stage also asks what each item costs in another unit, such as tokens.
//
// # Permits
//
// A stage first takes an item and then asks for the permit. So a stage that has nothing to do does
// not stand in line, and stages that share a scheduler are served in the order in which items
// reached them. A stage never stands in line with more than one ticket, however concurrent it is:
// two busy stages get a grant each in turn, and items get theirs in the order of the input.
//
// [Map], [OrderedMap], [ForEach] and their N forms hold the permit until the work on the item
// returns, so windows and burst hold for the work itself. [Throttle] and [ThrottleN] give it back at
// once, before the item is handed on.
//
// No stage holds a permit while it waits for another stage. Were it otherwise, a stage could wait for
// the permit of one that waits for it to take an item, and stages could not share a scheduler.
//
// A deadline of the context does not make a stage give up beforehand, as it does
// [scheduler.Scheduler.Acquire]: a stage works until its context ends. A stage waits where others
// wait; what a scheduler refuses instead, because it is NonBlocking or its line is full, comes to an
// item as an error, as told under Faults.
//
// # The input closes
//
// Closing the input drains: everything that was accepted comes out, then the output closes.
//
// # The context ends
//
// Ending the context aborts: the stage takes no more, hands nothing more on, and closes its output.
// Its ticket in line is withdrawn and its permits go back. It needs nobody to read the output, and
// its input may stay open. Work that is running sees the end of the context it was given, and the
// output closes only when it has returned.
//
// What was in hand is dropped; each function says what that can be. Reader and writer may meet in
// the very instant of the end; the item has then been handed on. Give all stages of a pipeline one
// context, and look at that one: whoever sees a channel closed by an abort finds its Err set already,
// and takes it for what it is. The stages of this package do so; none of them takes an abort for a
// drain. (A context derived from it ends a little later. Stages may have such ones if the pipeline's
// is of [WithAbort].)
//
// # Downstream stops reading
//
// A stage whose output is not read waits, holds no permit, and takes no more items; so do the stages
// before it. They wait until the reader comes back or the context ends. Whoever stops reading early
// must therefore end the context; "defer abort(nil)" does that. Whoever wants to wait until all work
// has returned then reads the last output to its end: "abort(nil); for range out {}". Memory stops growing: a
// stage holds one item, a batch its size, and a concurrent stage as many as the burst or [Concurrency],
// and [Buffer], allow. A concurrent stage that has neither burst nor Concurrency holds as many finished
// results as Buffer says, 1,000 by default, and those of the calls that were running when it stopped.
//
// # Faults
//
// A stage that cannot go on, because its scheduler is closed or refuses an item and there is no way
// to tell this with the item, has a fault. It hands on what it still can, then ends the context with
// the fault as its cause, and closes its output. The context must be one of [WithAbort] for that.
// Then all other stages stop too, and the reader tells the end of the stream from a fault anywhere in
// the pipeline by [context.Cause].
//
// With any other context a fault can only close the output. So do not close a scheduler under a
// [Throttle] whose context was not made by WithAbort. Map and OrderedMap tell a fault as the last
// result as well, and ForEach returns it: they need no such context, but the stages before them do,
// or else wait until their context ends.
//
// Errors of the work itself are no faults. They travel as [Result] in place of the value: [ToSeq2]
// gives them to the end of the pipeline, and [Values] makes the first of them a fault.
//
// # Panics
//
// A panic in a function that a stage was given is not recovered: the permit goes back, and then the
// program crashes with the stack of the panic, as it does for a panic in any goroutine. Where the
// function ends its goroutine instead ([runtime.Goexit], which t.FailNow of a test calls), the item's
// result is [ErrExited], or it is the stage's fault.
//
// # Nil
//
// A nil channel stands for no stream: a nil input gives a nil output at once, and ForEach returns. A
// nil slice is a slice of no items.
package pipeline
