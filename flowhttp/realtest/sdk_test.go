package realtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/google/go-github/v75/github"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
)

// work is how long the server takes. It is shorter than what a context of endsSoon lasts or longer, by turns.
const work = 100 * time.Millisecond

var background = context.Background()

func json(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, text)
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func TestGoGitHub(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/repos/", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(work)
		switch {
		case strings.HasSuffix(r.URL.Path, "/missing"):
			json(w, 404, `{"message":"Not Found"}`)
		case strings.HasSuffix(r.URL.Path, "/forbidden"):
			json(w, 403, `{"message":"Must have admin rights"}`)
		case strings.HasSuffix(r.URL.Path, "/moved"):
			http.Redirect(w, r, "/repos/o/there", http.StatusMovedPermanently)
		case strings.HasSuffix(r.URL.Path, "/garbage"):
			json(w, 200, `{"name":`+strings.Repeat("!", 100_000))
		case strings.HasSuffix(r.URL.Path, "/broken"):
			json(w, 200, `{"name":`)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		default:
			json(w, 200, `{"name":"there"}`)
		}
	})
	server := &strict{limit: 5, per: time.Second, handler: mux, refuse: func(w http.ResponseWriter, early time.Duration) {
		w.Header().Set("X-RateLimit-Limit", "5")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", fmt.Sprint(time.Now().Add(early+time.Second-1).Unix()))
		json(w, 403, `{"message":"API rate limit exceeded"}`)
	}}
	against(t, flowhttp.GitHub, server, func(t *testing.T, hc *http.Client) {
		client, err := github.NewClient(hc).WithEnterpriseURLs("http://github.test/", "http://github.test/")
		if err != nil {
			t.Fatal(err)
		}
		client.DisableRateLimitCheck = true // so that it does not refuse on its own
		client.BaseURL.Path = "/"
		if _, _, err := client.Repositories.Get(background, "o", "there"); err == nil {
			t.Error("not refused at first")
		}
		names := []string{"there", "missing", "forbidden", "moved", "garbage", "broken", "cancelled"}
		together(60, func(i int) {
			name := names[i%len(names)]
			ctx, cancel := background, context.CancelFunc(func() {})
			if name == "cancelled" {
				ctx, cancel = endsSoon()
			}
			defer cancel()
			repo, _, err := client.Repositories.Get(ctx, "o", name)
			if found := name == "there" || name == "moved"; found != (err == nil) {
				t.Errorf("%s: %v", name, err)
			} else if found && repo.GetName() != "there" {
				t.Errorf("%s: %v", name, repo)
			}
			if i%10 == 0 {
				panic("in the caller's work")
			}
		})
	})
}

// A client that retries, so that its caller sees no refusal.
func TestOpenAI(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(work)
		if b, _ := io.ReadAll(r.Body); strings.Contains(string(b), `"stream":true`) {
			stream(w, `{"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"}}]}`, "data: [DONE]\n\n")
			return
		}
		w.Header().Set("X-RateLimit-Limit-Tokens", "1000")
		w.Header().Set("X-RateLimit-Remaining-Tokens", "10")
		w.Header().Set("X-RateLimit-Reset-Tokens", "6m0s")
		json(w, 200, `{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}]}`)
	})
	server := &strict{limit: 5, per: time.Second, handler: unreliable(mux), refuse: func(w http.ResponseWriter, early time.Duration) {
		w.Header().Set("Retry-After-Ms", fmt.Sprint(int64((early+time.Millisecond-1)/time.Millisecond)))
		json(w, 429, `{"error":{"message":"Rate limit reached"}}`)
	}}
	against(t, flowhttp.OpenAI, server, func(t *testing.T, hc *http.Client) {
		client := openai.NewClient(openaioption.WithHTTPClient(hc), openaioption.WithBaseURL("http://openai.test/"), openaioption.WithAPIKey("key"), openaioption.WithMaxRetries(6))
		params := openai.ChatCompletionNewParams{Model: "m", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")}}
		if _, err := client.Chat.Completions.New(background, params); err != nil {
			t.Error(err)
		}
		together(40, func(i int) {
			switch i % 4 {
			case 0:
				ctx, cancel := endsSoon()
				defer cancel()
				if _, err := client.Chat.Completions.New(ctx, params); err == nil {
					t.Error("not cancelled")
				}
			case 1: // half read
				stream := client.Chat.Completions.NewStreaming(background, params)
				if !stream.Next() {
					t.Error(stream.Err())
				}
				stream.Close()
			case 2:
				stream := client.Chat.Completions.NewStreaming(background, params)
				defer stream.Close()
				for stream.Next() {
					panic("in the caller's work")
				}
			default:
				if c, err := client.Chat.Completions.New(background, params); err != nil || c.Choices[0].Message.Content != "hi" {
					t.Error(err)
				}
			}
		})
	})
}

func TestAnthropic(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/messages", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(work)
		if b, _ := io.ReadAll(r.Body); strings.Contains(string(b), `"stream":true`) {
			stream(w, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}`, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
			return
		}
		w.Header().Set("Anthropic-RateLimit-Input-Tokens-Limit", "1000")
		w.Header().Set("Anthropic-RateLimit-Input-Tokens-Remaining", "0")
		w.Header().Set("Anthropic-RateLimit-Input-Tokens-Reset", time.Now().Add(time.Minute).Format(time.RFC3339))
		json(w, 200, `{"id":"1","type":"message","role":"assistant","content":[{"type":"text","text":"hi"}]}`)
	})
	server := &strict{limit: 5, per: time.Second, handler: unreliable(mux), refuse: func(w http.ResponseWriter, early time.Duration) {
		w.Header().Set("Retry-After", fmt.Sprint(seconds(early)))
		json(w, 529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`)
	}}
	against(t, flowhttp.Anthropic, server, func(t *testing.T, hc *http.Client) {
		client := anthropic.NewClient(anthropicoption.WithHTTPClient(hc), anthropicoption.WithBaseURL("http://anthropic.test/"), anthropicoption.WithAPIKey("key"), anthropicoption.WithMaxRetries(6))
		params := anthropic.MessageNewParams{Model: "m", MaxTokens: 10, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))}}
		if _, err := client.Messages.New(background, params); err != nil {
			t.Error(err)
		}
		together(40, func(i int) {
			switch i % 4 {
			case 0:
				ctx, cancel := endsSoon()
				defer cancel()
				if _, err := client.Messages.New(ctx, params); err == nil {
					t.Error("not cancelled")
				}
			case 1:
				stream := client.Messages.NewStreaming(background, params)
				if !stream.Next() {
					t.Error(stream.Err())
				}
				stream.Close()
			case 2:
				stream := client.Messages.NewStreaming(background, params)
				defer stream.Close()
				for stream.Next() {
					panic("in the caller's work")
				}
			default:
				if m, err := client.Messages.New(background, params); err != nil || m.Content[0].Text != "hi" {
					t.Error(err)
				}
			}
		})
	})
}

func TestRetryableHTTP(t *testing.T) {
	server := &strict{limit: 5, per: time.Second, handler: unreliable(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(work)
		io.Copy(w, r.Body)
	})), refuse: func(w http.ResponseWriter, early time.Duration) {
		w.Header().Set("Retry-After", fmt.Sprint(seconds(early)))
		w.WriteHeader(503)
	}}
	against(t, nil, server, func(t *testing.T, hc *http.Client) {
		client := retryablehttp.NewClient()
		client.Logger, client.HTTPClient, client.RetryMax = nil, hc, 6
		post := func() {
			resp, err := client.Post("http://server.test/", "text/plain", strings.NewReader("hello"))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); string(b) != "hello" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
		}
		post()
		together(40, func(int) { post() })
	})
}

// stream sends a server-sent event, and some time later the end.
func stream(w http.ResponseWriter, event, end string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for range 3 {
		fmt.Fprintf(w, "event: content_block_delta\ndata: %s\n\n", event)
		w.(http.Flusher).Flush()
		time.Sleep(work)
	}
	io.WriteString(w, end)
}

// unreliable fails every fifth request: by turns with a status, or by closing the connection.
func unreliable(h http.Handler) http.Handler {
	turns := make(chan int, 1)
	turns <- 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := <-turns
		turns <- n + 1
		switch n % 10 {
		case 3:
			w.WriteHeader(500)
		case 8:
			panic(http.ErrAbortHandler)
		default:
			h.ServeHTTP(w, r)
		}
	})
}
