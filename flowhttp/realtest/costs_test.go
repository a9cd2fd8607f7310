package realtest

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/internal/memnet"
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
		Stream              bool
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
	openAI, usage := r.URL.Path == "/chat/completions", fmt.Sprintf(`{"output_tokens":%d}`, used)
	if openAI {
		usage = fmt.Sprintf(`{"total_tokens":%d}`, used)
	}
	switch {
	case !asked.Stream:
		json(w, 200, fmt.Sprintf(`{"id":"1","object":"chat.completion","type":"message","role":"assistant",
			"choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}], "content":[{"type":"text","text":"hi"}],
			"usage":%s}`, usage))
	case openAI:
		stream(w, `{"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"}}]}`,
			`data: {"id":"1","object":"chat.completion.chunk","choices":[],"usage":`+usage+"}\n\ndata: [DONE]\n\n")
	default:
		stream(w, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}`,
			"event: message_delta\ndata: "+`{"type":"message_delta","delta":{},"usage":`+usage+"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
	}
}

func (m *meter) begin(tokens int) *metered {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sum()+tokens > m.limit {
		m.refused++
		return nil
	}
	call := &metered{time.Now(), tokens}
	m.calls, m.served = append(m.calls, call), m.served+1
	return call
}

// sum returns what counts now.
func (m *meter) sum() (sum int) {
	for _, c := range m.calls {
		if time.Since(c.at) < time.Minute {
			sum += c.tokens
		}
	}
	return sum
}

// used returns what an answer says that it took. Streams say so in one of their last events.
func used(resp *http.Response, body []byte) []ticket.Cost {
	events := [][]byte{body}
	if resp.Header.Get("Content-Type") == "text/event-stream" {
		events = bytes.Split(body, []byte("\n"))
	}
	for _, event := range slices.Backward(events) {
		var answer struct {
			Usage *struct {
				Total  int `json:"total_tokens"`
				Output int `json:"output_tokens"`
			} `json:"usage"`
		}
		if err := stdjson.Unmarshal(bytes.TrimPrefix(event, []byte("data: ")), &answer); err == nil && answer.Usage != nil {
			return []ticket.Cost{tokens.Of(answer.Usage.Total + answer.Usage.Output)}
		}
	}
	return nil
}

// metering runs an SDK against a meter: it is never refused, and with settled calls gets more out of the limit than
// estimates would.
func metering(t *testing.T, run func(t *testing.T, hc *http.Client, maxTokens int, streamed bool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		const maxTokens, calls = 100, 60
		server := &meter{limit: 1000}
		listener := memnet.Listen("server.test:80")
		hs := &http.Server{Handler: server}
		go hs.Serve(listener)
		base := &http.Transport{DialContext: listener.Dial, MaxIdleConnsPerHost: 10}
		s, err := scheduler.New(scheduler.MustParseLimits("1000 tokens/min burst 5"))
		if err != nil {
			t.Fatal(err)
		}
		transport := flowhttp.NewTransport(s)
		transport.Base = base
		transport.Cost = func(*http.Request) []ticket.Cost { return []ticket.Cost{tokens.Of(maxTokens)} }

		transport.Usage = used

		began := time.Now()
		hc := &http.Client{Transport: transport}
		together(calls, func(i int) { run(t, hc, maxTokens, i%2 == 0) })
		took := time.Since(began)
		if server.refused > 0 || server.served != calls {
			t.Errorf("%d served, %d refused", server.served, server.refused)
		}
		if byEstimates := (calls*maxTokens/1000 - 1) * time.Minute; took >= byEstimates {
			t.Errorf("it took %v, and would take %v if nothing were settled", took, byEstimates)
		}
		if got, want := s.Stats().Windows[0].Used, server.sum(); got != want || want == 0 {
			t.Errorf("%d tokens are used, the server says %d", got, want)
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
	metering(t, func(t *testing.T, hc *http.Client, maxTokens int, streamed bool) {
		client := openai.NewClient(openaioption.WithHTTPClient(hc), openaioption.WithBaseURL("http://openai.test/"), openaioption.WithAPIKey("key"))
		params := openai.ChatCompletionNewParams{Model: "m", MaxCompletionTokens: openai.Int(int64(maxTokens)),
			Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")}}
		if streamed {
			stream := client.Chat.Completions.NewStreaming(background, params)
			defer stream.Close()
			for stream.Next() {
			}
			if err := stream.Err(); err != nil {
				t.Error(err)
			}
			return
		}
		if c, err := client.Chat.Completions.New(background, params); err != nil || c.Choices[0].Message.Content != "hi" {
			t.Error(err)
		}
	})
}

func TestAnthropicWithCosts(t *testing.T) {
	metering(t, func(t *testing.T, hc *http.Client, maxTokens int, streamed bool) {
		client := anthropic.NewClient(anthropicoption.WithHTTPClient(hc), anthropicoption.WithBaseURL("http://anthropic.test/"), anthropicoption.WithAPIKey("key"))
		params := anthropic.MessageNewParams{Model: "m", MaxTokens: int64(maxTokens), Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))}}
		if streamed {
			stream := client.Messages.NewStreaming(background, params)
			defer stream.Close()
			for stream.Next() {
			}
			if err := stream.Err(); err != nil {
				t.Error(err)
			}
			return
		}
		if m, err := client.Messages.New(background, params); err != nil || m.Content[0].Text != "hi" {
			t.Error(err)
		}
	})
}
