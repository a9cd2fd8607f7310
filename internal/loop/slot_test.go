package loop

import (
	"sync"
	"testing"
)

// The holder of the state has it alone, and the owner gets it back from wherever it is.
func TestOneHasTheState(t *testing.T) {
	var b Mailbox[int, string]
	b.Init(64)
	st := new(int)
	b.Lend(st)
	if got := b.Borrow(); got != st {
		t.Fatal("could not borrow")
	}
	if b.Borrow() != nil {
		t.Error("borrowed twice")
	}
	b.GiveBack()
	if b.CallIn() != st {
		t.Error("not called in from the slot")
	}
	if b.Borrow() != nil {
		t.Error("borrowed what the owner has")
	}
	b.Lend(st)
	b.Borrow()
	b.out.Store(false) // the owner calls, and waits
	b.GiveBack()
	if len(b.home) != 1 || b.holds.Load() != 0 {
		t.Error("a borrower did not hand the state to the owner who waits for it")
	}
}

// A caller who wants only a calm state gets no other, and leaves one that is not calm where it is. Everybody else gets a
// calm state as any other.
func TestCalmState(t *testing.T) {
	var b Mailbox[int, string]
	b.Init(64)
	st := new(int)
	b.Lend(st)
	if b.LookCalm() != nil || b.BorrowCalm() != nil {
		t.Error("took a state that is not calm")
	}
	if b.Borrow() != st {
		t.Fatal("could not borrow")
	}
	b.GiveBackCalm()
	for name, take := range map[string]func() *int{"LookCalm": b.LookCalm, "BorrowCalm": b.BorrowCalm, "Borrow": b.Borrow} {
		if take() != st {
			t.Fatalf("%s did not take a calm state", name)
		}
		if b.BorrowCalm() != nil {
			t.Errorf("took it again after %s", name)
		}
		b.GiveBackCalm()
	}
	if b.CallIn() != st {
		t.Error("not called in from the slot")
	}
	b.LendCalm(st)
	if b.BorrowCalm() != st {
		t.Error("not lent as a calm one")
	}
	if b.GiveBackCalm(); b.LookCalm() != st {
		t.Error("brought home though the owner does not want it")
	}
	b.out.Store(false) // the owner calls, and waits
	b.GiveBackCalm()
	if len(b.home) != 1 || b.holds.Load() != holdsNothing {
		t.Error("a borrower did not hand the state to the owner who waits for it")
	}
}

// The holder of the state changes it without a lock. Two holders at once would show in the race detector and in the sum.
func TestStateHasOneOwner(t *testing.T) {
	const callers, calls = 8, 2000
	var b Mailbox[int, int]
	b.Init(64)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for call := range calls {
				if caller%2 == 0 { // they would rather have a calm one
					st := b.LookCalm()
					if st == nil {
						st = b.BorrowCalm()
					}
					if st != nil {
						*st++
						b.GiveBackCalm()
						continue
					}
				}
				if st := b.Borrow(); st != nil {
					*st++
					if call%2 == 0 {
						b.GiveBackCalm()
					} else {
						b.GiveBack()
					}
				} else if one := 1; !b.Send(&one) {
					t.Error("refused")
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		all.Wait()
		last := 0
		b.Send(&last)
	}()
	turns := NewTurns[int, int, int](&b)
	st, over := new(int), false
	for turn := 0; !over; turn++ {
		if turn%2 == 0 {
			b.Lend(st)
		} else {
			b.LendCalm(st)
		}
		batch := turns.Receive(false)
		st = b.CallIn()
		for _, n := range batch {
			*st += n
			over = over || n == 0
		}
		turns.Applied()
	}
	<-done
	if *st != callers*calls || b.Underway() != 0 {
		t.Errorf("%d, want %d; %d messages under way", *st, callers*calls, b.Underway())
	}
}

// Every message that was taken is answered, also in the last turn, and none is taken after that.
func TestAnswersAtTheEnd(t *testing.T) {
	type question struct{ to chan<- int }
	var b Mailbox[int, question]
	b.Init(64)
	turns := NewTurns[int, question, int](&b)
	var answers Answers[int]
	var asked sync.WaitGroup
	for range 200 { // more than the mailbox holds
		asked.Go(func() {
			to := answers.Channel()
			if b.Send(&question{to}) {
				if got := <-to; got != 7 {
					t.Errorf("answered %d", got)
				}
			}
			answers.Recycle(to)
		})
	}
	serve := func(m *question) { turns.Answer(m.to, 7) }
	for _, m := range turns.Receive(false) {
		serve(&m)
	}
	turns.Applied()
	turns.Reply()
	turns.Refuse(serve)
	if b.Send(&question{}) {
		t.Error("taken after the end")
	}
	left := new(int)
	turns.Leave(left)
	asked.Wait()
	<-b.Ended()
	if b.Remains() != left {
		t.Error("what remains is something else")
	}
}
