// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP and HTTPS by libcurl's multi interface on our event loop: curl says which sockets and which time it waits for, we
 * tell it what happened, and it tells which transfers have ended. Hosts are literal addresses, so nothing is ever looked
 * up, and curl starts no thread.
 *
 * An attempt is a connection of its own, by no proxy whatever the environment says, follows no redirect, and is done when
 * BODY_SIZE bytes came: what stands behind them nobody asked for.
 */
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/cleanup.h"
#include "probe/private.h"

#define BODY_SIZE   16384
#define ACCURACY_US 1000
#define REGEX_SIZE  2048 /* matching takes time by the square of it, and nothing else is done meanwhile */
#define CA_CACHE_S  600L /* reading the system's authorities takes tens of milliseconds */

struct http_client {
	CURLM *multi;
	sd_event *event;
	sd_event_source *timer;
};

/* One a probe. */
struct http {
	char *url;
	struct curl_slist *connect_to, *headers;
	bool has_regex;
	regex_t regex;
	CURL *easy; /* NULL: no attempt is under way */
	char error[CURL_ERROR_SIZE];
	int path_result; /* of path_socket(), with its words: */
	struct error path_error;
	char body[BODY_SIZE + 1];
	size_t size;
	bool full;
};

/* ---- What the answer is worth ------------------------------------------------------------------------------------ */

static bool status_is_right(const struct probe_http *wanted, long status)
{
	for (size_t i = 0; i < wanted->status_count; i++)
		if (wanted->status[i] == status)
			return true;
	return wanted->status_count == 0 && status >= 200 && status <= 299;
}

/* A body ends where it has a zero byte. */
static bool matches(struct http *http)
{
	if (http->size > REGEX_SIZE)
		http->body[REGEX_SIZE] = '\0';
	return !http->has_regex || regexec(&http->regex, http->body, 0, NULL, 0) == 0;
}

static void judge_answer(struct attempt *attempt, long status)
{
	const struct probe_http *wanted = &attempt->probe->http;
	struct http *http = attempt->http;

	http->body[http->size] = '\0';
	if (!status_is_right(wanted, status))
		attempt_bad(attempt, "HTTP %ld", status);
	else if (wanted->body && !memmem(http->body, http->size, wanted->body, strlen(wanted->body)))
		attempt_bad(attempt, "HTTP %ld, but its body has no \"%s\" in it", status, wanted->body);
	else if (!matches(http))
		attempt_bad(attempt, "HTTP %ld, but its body does not match \"%s\"", status, wanted->regex);
	else
		attempt_good(attempt, "HTTP %ld", status);
}

static void judge(struct attempt *attempt, CURLcode result)
{
	struct http *http = attempt->http;
	long status = 0, system_error = 0;

	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &system_error);
	if (result == CURLE_OK || (result == CURLE_WRITE_ERROR && http->full))
		judge_answer(attempt, status);
	else if (http->path_result < 0)
		attempt_failed(attempt, http->path_result, http->path_error.text);
	else if (result == CURLE_COULDNT_CONNECT && system_error)
		attempt_failed(attempt, -(int)system_error, strerror((int)system_error));
	else
		attempt_bad(attempt, "%s", *http->error ? http->error : curl_easy_strerror(result));
}

/* ---- libcurl and the event loop ---------------------------------------------------------------------------------- */

static void hear_ends(struct http_client *client)
{
	const CURLMsg *message;
	struct attempt *attempt;
	int left;

	while ((message = curl_multi_info_read(client->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&attempt);
		judge(attempt, message->data.result);
	}
}

static int hear_socket(sd_event_source *source, int descriptor, uint32_t events, void *userdata)
{
	struct http_client *client = userdata;
	int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
	int running;

	(void)source;
	curl_multi_socket_action(client->multi, descriptor, what, &running);
	hear_ends(client);
	return 0;
}

static int hear_time(sd_event_source *source, uint64_t due_us, void *userdata)
{
	struct http_client *client = userdata;
	int running;

	(void)source, (void)due_us;
	curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	hear_ends(client);
	return 0;
}

static int want_socket(CURL *easy, curl_socket_t descriptor, int what, void *userdata, void *socket_data)
{
	struct http_client *client = userdata;
	sd_event_source *source = socket_data;
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(source);
		curl_multi_assign(client->multi, descriptor, NULL);
		return 0;
	}
	if (source)
		return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
	if (sd_event_add_io(client->event, &source, descriptor, events, hear_socket, client) < 0)
		return -1;
	curl_multi_assign(client->multi, descriptor, source);
	return 0;
}

static int want_time(CURLM *multi, long milliseconds, void *userdata)
{
	struct http_client *client = userdata;
	struct timespec now;

	(void)multi;
	if (milliseconds < 0)
		return sd_event_source_set_enabled(client->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_event_source_set_time(client->timer, (uint64_t)now.tv_sec * 1000000 +
							(uint64_t)now.tv_nsec / 1000 +
							(uint64_t)milliseconds * 1000);
	return sd_event_source_set_enabled(client->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

int http_client_open(sd_event *event, struct http_client **client, struct error *error)
{
	struct http_client *opened = calloc(1, sizeof(*opened));
	int r;

	if (!opened || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(opened);
		return error_set(error, -ENOMEM, "cannot start libcurl");
	}
	opened->event = event;
	opened->multi = curl_multi_init();
	r = opened->multi ? sd_event_add_time(
				    event, &opened->timer, CLOCK_MONOTONIC, 0, ACCURACY_US, hear_time, opened)
			  : -ENOMEM;
	if (r < 0) {
		http_client_close(opened);
		return error_errno(error, r, "cannot start libcurl");
	}
	sd_event_source_set_enabled(opened->timer, SD_EVENT_OFF);
	curl_multi_setopt(opened->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(opened->multi, CURLMOPT_SOCKETDATA, opened);
	curl_multi_setopt(opened->multi, CURLMOPT_TIMERFUNCTION, want_time);
	curl_multi_setopt(opened->multi, CURLMOPT_TIMERDATA, opened);
	*client = opened;
	return 0;
}

void http_client_close(struct http_client *client)
{
	if (!client)
		return;
	curl_multi_cleanup(client->multi);
	sd_event_source_disable_unref(client->timer);
	free(client);
	curl_global_cleanup();
}

/* ---- A probe's request ------------------------------------------------------------------------------------------- */

/* With a name, the URL says that one, and curl is told where to connect instead. */
static int name_server(struct http *http, const struct probe_http *wanted)
{
	const char *authority = wanted->url + (wanted->tls ? strlen("https://") : strlen("http://"));
	const char *path = authority + strcspn(authority, "/?");
	char host[ADDRESS_TEXT_SIZE], target[ADDRESS_TEXT_SIZE + 16];

	snprintf(target, sizeof(target), address_is_v4(&wanted->to) ? "::%s:%u" : "::[%s]:%u",
		address_format(&wanted->to, host), wanted->port);
	http->connect_to = curl_slist_append(NULL, target);
	if (asprintf(&http->url, "%s://%s:%u%s", wanted->tls ? "https" : "http", wanted->server_name,
		    wanted->port, path) < 0)
		http->url = NULL;
	return http->connect_to && http->url ? 0 : -ENOMEM;
}

int http_open(const struct probe *probe, struct http **http, struct error *error)
{
	const struct probe_http *wanted = &probe->http;
	struct http *opened = calloc(1, sizeof(*opened));
	int r = opened ? 0 : -ENOMEM;

	if (r == 0 && wanted->server_name)
		r = name_server(opened, wanted);
	else if (r == 0 && !(opened->url = strdup(wanted->url)))
		r = -ENOMEM;
	if (r == 0 && !(opened->headers = curl_slist_append(NULL, "Connection: close")))
		r = -ENOMEM;
	if (r == 0 && wanted->regex) {
		opened->has_regex =
			regcomp(&opened->regex, wanted->regex, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) == 0;
		r = opened->has_regex ? 0 : -ENOMEM; /* the configuration was checked */
	}
	if (r < 0) {
		http_close(opened);
		return error_errno(error, r, "probe %s", probe->name);
	}
	*http = opened;
	return 0;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	curl_slist_free_all(http->connect_to);
	curl_slist_free_all(http->headers);
	if (http->has_regex)
		regfree(&http->regex);
	free(http->url);
	free(http);
}

/* ---- An attempt -------------------------------------------------------------------------------------------------- */

static size_t hear_body(const char *bytes, size_t one, size_t size, void *userdata)
{
	struct http *http = userdata;
	size_t room = BODY_SIZE - http->size, taken = size < room ? size : room;

	(void)one;
	memcpy(http->body + http->size, bytes, taken);
	http->size += taken;
	http->full = taken < size;
	return taken;
}

static curl_socket_t open_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct attempt *attempt = userdata;
	struct http *http = attempt->http;

	(void)purpose, (void)address;
	http->path_result = path_socket(attempt->probe, SOCK_STREAM, 0, &http->path_error);
	return http->path_result < 0 ? CURL_SOCKET_BAD : http->path_result;
}

static void ask_as_wanted(CURL *easy, const struct attempt *attempt)
{
	const struct probe_http *wanted = &attempt->probe->http;
	const struct http *http = attempt->http;

	curl_easy_setopt(easy, CURLOPT_URL, http->url);
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, http->connect_to);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "homeward");
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, wanted->verify ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, wanted->verify ? 2L : 0L);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
	curl_easy_setopt(
		easy, CURLOPT_CAPATH, NULL); /* with a path, libcurl caches nothing; the file has them all */
	if (wanted->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, wanted->ca_file);
}

static void keep_to_the_path(CURL *easy, struct attempt *attempt)
{
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, attempt);
}

static int begin(struct attempt *attempt, struct error *error)
{
	struct http *http = attempt->http;
	CURLMcode code;

	http->size = 0;
	http->full = false;
	http->path_result = 0;
	http->error[0] = '\0';
	http->easy = curl_easy_init();
	if (!http->easy)
		return error_set(error, -ENOMEM, "out of memory");
	ask_as_wanted(http->easy, attempt);
	keep_to_the_path(http->easy, attempt);
	curl_easy_setopt(http->easy, CURLOPT_PRIVATE, attempt);
	curl_easy_setopt(http->easy, CURLOPT_ERRORBUFFER, http->error);
	curl_easy_setopt(http->easy, CURLOPT_WRITEFUNCTION, hear_body);
	curl_easy_setopt(http->easy, CURLOPT_WRITEDATA, http);
	code = curl_multi_add_handle(attempt->client->multi, http->easy);
	return code == CURLM_OK ? 0 : error_set(error, -EIO, "%s", curl_multi_strerror(code));
}

static void end(struct attempt *attempt)
{
	struct http *http = attempt->http;

	if (!http->easy)
		return;
	curl_multi_remove_handle(attempt->client->multi, http->easy);
	curl_easy_cleanup(http->easy);
	http->easy = NULL;
}

const struct question http_question = {begin, end};
