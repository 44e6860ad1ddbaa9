# SPDX-License-Identifier: Apache-2.0
#
# On a fresh Debian 12:  sudo make demo    installs what is missing, builds, shows the main job in a lab
#                        sudo make check   runs all tests
# Without root:          make              builds build/gwd and build/gwctl (the packages must be there)

B ?= build
CC = gcc
CLANG = clang
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

LIBRARIES = libbpf libxdp libcyaml yaml-0.1 libmnl libsystemd jansson libsodium libcurl
# Asked only when something is compiled: `make packages` must work before pkg-config is there.
LIBRARY_CFLAGS = $(shell pkg-config --cflags $(LIBRARIES))
LIBRARY_LDLIBS = $(shell pkg-config --libs $(LIBRARIES))
CLI_LDLIBS = $(shell pkg-config --libs jansson)
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)

CPPFLAGS = -I. -Iloader -I$(B) -D_GNU_SOURCE
CFLAGS = -std=gnu17 -O2 -g -Wall -Wextra -Wshadow -Werror -Wno-missing-field-initializers $(LIBRARY_CFLAGS)
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_CFLAGS = $(CFLAGS) $(SANITIZE) -fsanitize=fuzzer-no-link -DVERSION='"fuzz"'
BPF_DEFINES =
BPF_CFLAGS = -std=gnu17 -O2 -g -target bpf -mcpu=v3 $(BPF_DEFINES) -Wall -Wextra -Wshadow -Werror -Wno-unused-parameter \
	-I. -Ibpf -I/usr/include/$(MULTIARCH)

# ---- Sources: a module is a folder ------------------------------------------------------------------------------
GATEWAY_SOURCES := $(filter-out loader/main.c,$(wildcard loader/*.c loader/*/*.c bird/*.c))
CLI_SOURCES := $(filter-out cli/gwctl.c,$(wildcard cli/*.c))
BASE_SOURCES := $(wildcard loader/base/*.c)
BPF_SOURCES := $(filter-out bpf/uplink_xdp.bpf.c,$(wildcard bpf/*.bpf.c))
BPF_HEADERS := $(wildcard bpf/*.h)
TEMPLATES := $(wildcard bird/templates/*)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/*_test.c))
GOLDEN_TOOLS := $(patsubst tests/golden/%.c,$(B)/tests/%,$(wildcard tests/golden/*.c))
BPF_TESTS := $(patsubst tests/bpf/%.c,$(B)/tests/%,$(wildcard tests/bpf/*_test.c))
VM_TESTS := $(patsubst $(B)/%,$(B)/vm/%,$(BPF_TESTS) $(foreach name,kernel monitor preflight ipsec,$(B)/tests/apply_$(name)_test))
BPF_SCENE := $(filter-out %_test.c tests/bpf/cost.c,$(wildcard tests/bpf/*.c))
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%/target,$(wildcard tests/fuzz/*.c))
FUZZ_SOURCES := $(filter $(addsuffix /%,loader/array loader/base loader/conf loader/ctl loader/flow loader/health bird),$(GATEWAY_SOURCES)) \
	loader/model.c $(CLI_SOURCES)
LAB_TOOLS := $(patsubst tests/lab/tools/%.c,$(B)/lab/%,$(wildcard tests/lab/tools/*.c))

objects = $(patsubst %.c,$(B)/$(1)/%.o,$(2))
SKELETONS = $(B)/bpf/gateway.skel.h $(B)/bpf/uplink_xdp.skel.h

MANUAL_PAGES = $(B)/man/gwctl.8 $(B)/man/gwd.8 $(B)/man/gateway.yaml.5 $(B)/man/homeward-replication.7

.PHONY: all
all: $(B)/gwd $(B)/gwctl $(MANUAL_PAGES)

# ---- BPF: the TC programs are linked into one object with one set of maps; XDP is its own, libxdp loads it --------
$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(BPF_HEADERS)
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(B)/bpf/gateway.o: $(patsubst bpf/%.c,$(B)/bpf/%.o,$(BPF_SOURCES))
	bpftool gen object $@ $^

$(B)/bpf/gateway.skel.h: $(B)/bpf/gateway.o
	bpftool gen skeleton $< name gateway_bpf > $@.new && mv $@.new $@

$(B)/bpf/uplink_xdp.skel.h: $(B)/bpf/uplink_xdp.bpf.o
	bpftool gen skeleton $< name uplink_xdp_bpf > $@.new && mv $@.new $@

# ---- BIRD's templates are compiled in, as they stand ---------------------------------------------------------------
$(B)/bird/templates.h: $(TEMPLATES)
	@mkdir -p $(@D)
	@for t in $^; do \
		printf 'static const char template_%s[] = {\n' "$$(basename $$t | tr -c 'a-z0-9\n' _)"; \
		od -An -v -tx1 $$t | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'; \
		printf '0};\n'; \
	done > $@

# ---- Objects, once plain and once with sanitizers -------------------------------------------------------------------
$(B)/plain/%.o: %.c $(SKELETONS) $(B)/bird/templates.h Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -DVERSION='"$(VERSION)"' -MMD -MP -c $< -o $@

$(B)/sanitized/%.o: %.c $(SKELETONS) $(B)/bird/templates.h Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) -DVERSION='"$(VERSION)"' -MMD -MP -c $< -o $@

$(B)/plain.a: $(call objects,plain,$(GATEWAY_SOURCES))
	@rm -f $@
	ar rcs $@ $^

$(B)/sanitized.a: $(call objects,sanitized,$(GATEWAY_SOURCES) $(CLI_SOURCES))
	@rm -f $@
	ar rcs $@ $^

$(B)/gwd: $(B)/plain/loader/main.o $(B)/plain.a
	$(CC) $(CFLAGS) $^ $(LIBRARY_LDLIBS) -o $@

$(B)/gwctl: $(call objects,plain,cli/gwctl.c $(CLI_SOURCES) $(BASE_SOURCES))
	$(CC) $(CFLAGS) $^ $(CLI_LDLIBS) -o $@

# ---- The manual: prose with the programs' own tables in it ----------------------------------------------------------
$(B)/manual: $(call objects,plain,docs/man/manual.c $(CLI_SOURCES)) $(B)/plain.a
	$(CC) $(CFLAGS) $^ $(LIBRARY_LDLIBS) -o $@

$(B)/man/%: docs/man/% docs/examples/gateway.yaml $(B)/manual
	@mkdir -p $(@D)
	$(B)/manual docs/examples/gateway.yaml < $< > $@.new && mv $@.new $@

# ---- Tests -------------------------------------------------------------------------------------------------------------
$(B)/tests/%: $(B)/sanitized/tests/unit/%.o $(B)/sanitized.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) $^ $(LIBRARY_LDLIBS) -lcunit -o $@

$(B)/tests/%: $(B)/sanitized/tests/golden/%.o $(B)/sanitized.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) $^ $(LIBRARY_LDLIBS) -o $@

$(B)/tests/%: $(B)/sanitized/tests/bpf/%.o $(call objects,sanitized,$(BPF_SCENE))
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) $^ -lbpf -lcunit -o $@

# gwd's own hand in the tables.
$(B)/tests/stress_test: $(call objects,sanitized,$(wildcard loader/flow/*.c) $(BASE_SOURCES))

# Clang's libFuzzer. A target may be the only user of a source, or compile it in itself: from the archive it takes the rest.
$(B)/fuzzed/%.o: %.c $(B)/bird/templates.h Makefile
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@

$(B)/fuzzed.a: $(call objects,fuzzed,$(FUZZ_SOURCES))
	@rm -f $@
	ar rcs $@ $^

$(B)/fuzz/%/target: $(B)/fuzzed/tests/fuzz/%.o $(B)/fuzzed.a
	@mkdir -p $(@D)
	$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer $^ $(LIBRARY_LDLIBS) -o $@

$(B)/bpf-cost: $(call objects,plain,tests/bpf/cost.c $(BPF_SCENE))
	$(CC) $(CFLAGS) $^ -lbpf -lcunit -o $@

# What a packet costs in each program: figures to read, not a test.
.PHONY: bpf-cost
bpf-cost: $(B)/bpf-cost
	@$<

# What replication costs: figures to read, not a test. 50,000 flows a second for four, and nothing for either, say what the
# traffic of an array is made of.
$(B)/bench/replication: $(call objects,plain,tests/bench/replication.c tests/bench/gateway.c) $(B)/plain.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $^ $(LIBRARY_LDLIBS) -o $@

# What a flow and a packet cost, beside what one would take instead: tests/bench/run says how, docs/performance.md what came out.
$(B)/bench/%.bpf.o: tests/bench/%.bpf.c $(BPF_HEADERS) tests/bench/generate.h
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(B)/bench/%.skel.h: $(B)/bench/%.bpf.o
	bpftool gen skeleton $< name $*_bpf > $@.new && mv $@.new $@

$(patsubst %,$(B)/plain/tests/bench/%.o,tables programs flood forward filter): $(B)/bench/tables.skel.h $(B)/bench/generate.skel.h

BENCH_SHARED = $(call objects,plain,$(patsubst %,tests/bench/%.c,world recipe rows network) tests/bpf/packet.c)
BENCHES = $(patsubst %,$(B)/bench/%,tables programs flood forward filter fill)
$(filter-out %/fill,$(BENCHES)): $(B)/bench/%: $(B)/plain/tests/bench/%.o $(BENCH_SHARED)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $^ -lbpf -o $@

$(B)/bench/fill: $(B)/plain/tests/bench/fill.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $^ -lbpf -o $@

# Tables, goals and plots of what was measured; `bench-docs` writes them into docs/performance.md.
.PHONY: bench bench-docs bench-check
bench: all lab-tools $(BENCHES)
	@tests/bench/run
	@tests/bench/report.py

bench-docs:
	@tests/bench/report.py --docs

# Not in `check`: ratios of a run on a machine that has nothing else to do, against those that were stored.
bench-check: $(BENCHES)
	@BENCH_FLOWS=131072 BENCH_OUT=$(B)/bench/check tests/bench/run tables programs
	@tests/bench/check.py

IN_A_NAMESPACE = unshare -n sh -c 'ip link set lo up; exec "$$@"' sh

.PHONY: bench-replication bench-snapshot bench-array
bench-replication: $(B)/bench/replication
	@for run in 'live 10000' 'live 50000' 'live 100000' 'live 50000 4' 'live 0 2' 'live 0 4'; do echo "$$run"; $(IN_A_NAMESPACE) $< $$run; done

bench-snapshot: $(B)/bench/replication
	@for run in 1 2 3; do $(IN_A_NAMESPACE) $< snapshot 1000000; done

# With real daemons, on a lab of its own: lag from packet to table, and what relays cost.
bench-array: all lab-tools
	@tests/bench/array

$(B)/lab/%: tests/lab/tools/%.c
	@mkdir -p $(@D)
	$(CC) -I. -D_GNU_SOURCE -std=gnu17 -O2 -g -Wall -Wextra -Wshadow -Werror -MMD -MP $< $(LDLIBS) -o $@

$(B)/lab/lines $(B)/lab/lag $(B)/lab/stuff: LDLIBS = -lbpf # they look into a gateway's maps

# What the lab upgrades to: the same gwd with other programs, with other limits of their own.
$(B)/upgrade/gwd: $(B)/gwd
	$(MAKE) --no-print-directory B=$(B)/upgrade BPF_DEFINES='-DEXTENSION_HEADERS_MAX=5 -DCLAIM_OFFSET_MAX=255' $@

# Somebody else's XDP program, for the tier `vm`.
$(B)/vm/%.bpf.o: tests/vm/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(B)/vm/ticks: tests/vm/ticks.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $< -o $@

# The tests that are played there, where a processor is computed: without sanitizers, under which the host plays them.
$(B)/vm/tests/%: $(B)/plain/tests/bpf/%.o $(call objects,plain,$(BPF_SCENE))
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $^ -lbpf -lcunit -o $@

$(B)/vm/tests/%: $(B)/plain/tests/unit/%.o $(B)/plain.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $^ $(LIBRARY_LDLIBS) -lcunit -o $@

$(B)/vm/tests/stress_test: $(call objects,plain,$(wildcard loader/flow/*.c) $(BASE_SOURCES))

.PHONY: tests lab-tools
lab-tools: $(LAB_TOOLS)
tests: all $(UNIT_TESTS) $(GOLDEN_TOOLS) $(BPF_TESTS) $(FUZZ_TARGETS) lab-tools $(B)/upgrade/gwd $(VM_TESTS) $(B)/vm/counted.bpf.o $(B)/vm/ticks $(BENCHES)

.PHONY: packages check check-unit check-golden check-bpf check-lint check-fuzz check-harden check-install \
	check-lab check-vm
packages:
	tests/packages packages.txt

# What builds all, builds with all CPUs.
BUILD_ALL = $(MAKE) --no-print-directory -j$(shell nproc)

check: packages
	$(BUILD_ALL) tests
	tests/run lab harden install unit golden + vm + lint model fuzz bpf

check-unit check-golden check-bpf check-lint check-fuzz check-harden check-install check-lab check-model check-vm: check-%: tests
	tests/run $*

# The targets of the tier `fuzz`, which has 20 seconds for each, for as long as you like: make fuzz FUZZ_SECONDS=3600
.PHONY: fuzz
fuzz: export FUZZ_SECONDS ?= 600
fuzz: $(FUZZ_TARGETS)
	tests/fuzz/run

# ---- The lab -----------------------------------------------------------------------------------------------------------
.PHONY: demo lab-up lab-shell lab-down
demo: packages
	@$(BUILD_ALL) all lab-tools >$(B).log 2>&1 || { cat $(B).log; exit 1; }
	@rm -f $(B).log
	@tests/lab/demo

lab-up: packages
	$(BUILD_ALL) all lab-tools
	tests/lab/lab up

lab-shell:
	@tests/lab/lab shell $(NODE)

lab-down:
	tests/lab/lab down

# Mixed traffic while things happen to the gateways: make soak MINUTES=600, and SEED=… to repeat an order.
.PHONY: soak
soak: MINUTES ?= 10
soak: packages
	$(BUILD_ALL) all lab-tools
	tests/lab/soak/run $(MINUTES)

# What fails, and what then (docs/failures.md): make failure-table RUNS=1 ROWS='path_silent gateway_*' for some of it.
.PHONY: failure-table
failure-table: packages
	$(BUILD_ALL) all lab-tools
	tests/lab/failures/run $(ROWS)

# ---- Installing ----------------------------------------------------------------------------------------------------------
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
SBINDIR = $(PREFIX)/sbin
DOCDIR = $(PREFIX)/share/doc/homeward
PACKAGE_VERSION := $(shell echo "0.$$(git rev-list --count HEAD 2>/dev/null || echo 0)+g$(VERSION)" | tr - .)

.PHONY: install deb
install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(DOCDIR)/examples $(DESTDIR)$(PREFIX)/share/man/man5 \
		$(DESTDIR)$(PREFIX)/share/man/man7 $(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -d -m 0700 $(DESTDIR)$(SYSCONFDIR)/homeward
	install -m 0755 $(B)/gwd $(B)/gwctl $(DESTDIR)$(SBINDIR)/
	install -m 0644 $(filter %.5,$(MANUAL_PAGES)) $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 0644 $(filter %.7,$(MANUAL_PAGES)) $(DESTDIR)$(PREFIX)/share/man/man7/
	install -m 0644 $(filter %.8,$(MANUAL_PAGES)) $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 0644 cli/gwctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/gwctl
	install -m 0644 README.md docs/design.md docs/json.md $(DESTDIR)$(DOCDIR)/
	install -m 0644 docs/examples/gateway.yaml $(DESTDIR)$(DOCDIR)/examples/
	sed 's|@SBINDIR@|$(SBINDIR)|' packaging/homeward-gwd.service \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/homeward-gwd.service
	chmod 0644 $(DESTDIR)$(PREFIX)/lib/systemd/system/homeward-gwd.service

deb: all
	rm -rf $(B)/deb
	$(MAKE) --no-print-directory install DESTDIR=$(abspath $(B))/deb PREFIX=/usr >/dev/null
	@packaging/deb $(abspath $(B))/deb $(PACKAGE_VERSION) $(B)/homeward.deb

.PHONY: clean format
clean:
	rm -rf $(B)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
