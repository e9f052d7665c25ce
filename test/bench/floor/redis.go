package main

import (
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/redis/rueidis"
)

// redis serves what is kept in Redis under a request's path. There is a copy for it to find: as large as one of the
// bridge's.
func redis(url string) error {
	debug.SetGCPercent(300) // as the bridge does
	options, err := rueidis.ParseURL(url)
	if err != nil {
		return err
	}
	options.DisableCache = true
	client, err := rueidis.NewClient(options)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	return (&http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value, err := client.Do(r.Context(), client.B().Get().Key("floor:"+r.URL.Path).Build()).AsBytes()
		if rueidis.IsRedisNil(err) { // the first time
			value = profile[:400]
			err = client.Do(r.Context(), client.B().Set().Key("floor:"+r.URL.Path).Value(rueidis.BinaryString(value)).Build()).Error()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(value)
	})}).Serve(l)
}
