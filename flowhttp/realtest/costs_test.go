package realtest

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
)

const tokens scheduler.Unit = "tokens"

// meter is a server that allows so many tokens in any minute. It counts what a call may take when it begins, and what it took
// instead when it is done, as the meters of model APIs do.
type meter struct {
	limit int

	mu      sync.Mutex
	calls   []*metered
	refused int
	served  int
}

type metered struct {
	at     time.Time
	tokens int
}

func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		MaxTokens           int `json:"max_tokens"`
		MaxCompletionTokens int `json:"max_completion_tokens"`
	}
	if err := stdjson.NewDecoder(r.Body).Decode(&asked); err != nil {
		json(w, 400, `{}`)
		return
	}
	call := m.begin(asked.MaxTokens + asked.MaxCompletionTokens)
	if call == nil {
		w.Header().Set("Retry-After", "1")
		json(w, 429, `{"error":{"message":"too many tokens"}}`)
		return
	}
	time.Sleep(work)
	used := 1 + rand.IntN(call.tokens)
	m.mu.Lock()
	call.tokens = used
	m.mu.Unlock()
	json(w, 200, fmt.Sprintf(`{"id":"1","object":"chat.completion","type":"message","role":"assistant",
		"choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}], "content":[{"type":"text","text":"hi"}],
		"usage":{"total_tokens":%d, "output_tokens":%d}}`, used, used))
}

func (m *meter) begin(tokens int) *metered {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := 0
	for _, c := range m.calls {
		if time.Since(c.at) < time.Minute {
			sum += c.tokens
		}
	}
	if sum+tokens > m.limit {
		m.refused++
		return nil
	}
	call := &metered{time.Now(), tokens}
	m.calls, m.served = append(m.calls, call), m.served+1
	return call
}

// settle reads what an answer says that it took, and leaves it to be read again. It is a middleware of both SDKs, because
// they close the body before their caller sees the answer.
func settle(req *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	resp, err := next(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp, err
	}
	var answer struct {
		Usage struct {
			Total int `json:"total_tokens"`
		} `json:"usage"`
	}
	if err := stdjson.Unmarshal(text, &answer); err == nil {
		err = flowhttp.Settle(resp, tokens.Of(answer.Usage.Total))
		if err != nil {
			return resp, err
		}
	}
	resp.Body.Close() // gives the permit back
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp, nil
}

// metering runs an SDK against a meter: it is never refused, and with settled calls gets more out of the limit than
// estimates would.
func metering(t *testing.T, run func(t *testing.T, hc *http.Client, maxTokens int)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		const maxTokens, calls = 100, 60
		server := &meter{limit: 1000}
		listener := newMemory()
		hs := &http.Server{Handler: server}
		go hs.Serve(listener)
		base := &http.Transport{DialContext: listener.dial, MaxIdleConnsPerHost: 10}
		s, err := scheduler.New(scheduler.MustParseLimits("1000 tokens/min burst 5"))
		if err != nil {
			t.Fatal(err)
		}
		transport := flowhttp.NewTransport(s)
		transport.Base = base
		transport.Cost = func(*http.Request) []ticket.Cost { return []ticket.Cost{tokens.Of(maxTokens)} }

		began := time.Now()
		hc := &http.Client{Transport: transport}
		together(calls, func(int) { run(t, hc, maxTokens) })
		took := time.Since(began)
		if server.refused > 0 || server.served != calls {
			t.Errorf("%d served, %d refused", server.served, server.refused)
		}
		if byEstimates := (calls*maxTokens/1000 - 1) * time.Minute; took >= byEstimates {
			t.Errorf("it took %v, and would take %v if nothing were settled", took, byEstimates)
		}
		if got := s.Stats(); got.InUse != 0 || got.Waiting != 0 {
			t.Errorf("at the end %+v", got)
		}
		s.Close()
		base.CloseIdleConnections()
		hs.Close()
	})
}

func TestOpenAIWithCosts(t *testing.T) {
	metering(t, func(t *testing.T, hc *http.Client, maxTokens int) {
		client := openai.NewClient(openaioption.WithHTTPClient(hc), openaioption.WithBaseURL("http://openai.test/"), openaioption.WithAPIKey("key"),
			openaioption.WithMiddleware(settle))
		params := openai.ChatCompletionNewParams{Model: "m", MaxCompletionTokens: openai.Int(int64(maxTokens)),
			Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")}}
		if c, err := client.Chat.Completions.New(background, params); err != nil || c.Choices[0].Message.Content != "hi" {
			t.Error(err)
		}
	})
}

func TestAnthropicWithCosts(t *testing.T) {
	metering(t, func(t *testing.T, hc *http.Client, maxTokens int) {
		client := anthropic.NewClient(anthropicoption.WithHTTPClient(hc), anthropicoption.WithBaseURL("http://anthropic.test/"), anthropicoption.WithAPIKey("key"),
			anthropicoption.WithMiddleware(settle))
		params := anthropic.MessageNewParams{Model: "m", MaxTokens: int64(maxTokens), Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))}}
		if m, err := client.Messages.New(background, params); err != nil || m.Content[0].Text != "hi" {
			t.Error(err)
		}
	})
}
