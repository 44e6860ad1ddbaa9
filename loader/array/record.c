// SPDX-License-Identifier: Apache-2.0
/* A record on the wire: 56 bytes, ports as they stand in the key, everything else in network order. */
#include "array/private.h"

void put_record(struct writer *writer, const struct array_record *record)
{
	const struct line_key *key = &record->key;

	put_bytes(writer, key->source, sizeof(key->source));
	put_bytes(writer, key->destination, sizeof(key->destination));
	put_bytes(writer, &key->source_port, sizeof(key->source_port));
	put_bytes(writer, &key->destination_port, sizeof(key->destination_port));
	put_u16(writer, key->zone);
	put_u8(writer, key->protocol);
	put_u8(writer, record->state);
	put_u8(writer, record->gateway);
	put_u8(writer, record->owner);
	put_u16(writer, record->tunnel);
	put_u32(writer, record->idle_ms);
	put_u64(writer, record->stamp);
}

static bool get_record(struct reader *reader, struct array_record *record)
{
	struct line_key *key = &record->key;

	*record = (struct array_record){0};
	get_bytes(reader, key->source, sizeof(key->source));
	get_bytes(reader, key->destination, sizeof(key->destination));
	get_bytes(reader, &key->source_port, sizeof(key->source_port));
	get_bytes(reader, &key->destination_port, sizeof(key->destination_port));
	key->zone = get_u16(reader);
	key->protocol = get_u8(reader);
	record->state = get_u8(reader);
	record->gateway = get_u8(reader);
	record->owner = get_u8(reader);
	record->tunnel = get_u16(reader);
	record->idle_ms = get_u32(reader);
	record->stamp = get_u64(reader);
	return (record->state == LINE_ESTABLISHED || record->state == LINE_CLOSING) && record->gateway != 0;
}

bool get_records(struct reader *reader, struct array_record *records, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!get_record(reader, &records[i]))
			return false;
	return read_whole(reader);
}

void merge_records(struct array_core *core, struct peer *peer, const struct array_record *records,
	size_t count, struct array_time now)
{
	uint64_t latest = now.wall_ns + ARRAY_AHEAD_MOST_MS * 1000000ULL;

	peer->counts.records_received += count;
	for (size_t i = 0; i < count; i++) {
		if (records[i].stamp > latest) {
			peer->counts.records_ahead++;
			peer->ahead = true;
		} else {
			core->effects.merge(core->effects.self, peer->number, &records[i]);
		}
	}
}
