// Package sim is the other side of every wire: WeChat, WeCom, Alipay and the
// provincial health-code service, speaking their real formats over HTTP, and
// the people who use them: residents with phones, staff in groups.
//
//	platform calls   the product's clients call us as they call the platforms
//	callbacks        we call the product as the platforms do, sealed and signed
//	control          /sim/…: what a test or the demo page asks for
//	memory           what must survive a restart, synced before it is answered
//
// A platform call is found by host and path. The product's transport keeps the
// path and puts the host it meant into X-Orig-Host, so that one address serves
// all platforms; without the header the path alone decides, for no two
// platforms share one.
//
// Two clocks, as everywhere: access tokens, login codes and the timestamps that
// callbacks are signed with follow the machine clock, because the product
// judges their freshness by its own; message times, colour times and the
// robots' twenty a minute follow the civil clock, which may be virtual. The
// time of sending inside a callback is civil too: it is compared with deadlines.
//
// The surprising rule: nothing is locked while the product is being called,
// since the product calls back before it answers.
package sim
