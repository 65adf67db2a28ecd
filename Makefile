# Martlet. `make demo` and `make test` are all that a newcomer needs; `make help` names the rest.

.PHONY: help build demo demo-ovs test unit system hotpath fuzz bench bench-docs format lint install install-device-library install-service clean

PREFIX ?= /usr/local

help:
	@echo 'make demo      two hosts talk through Martlet, a third comes and goes (needs root)'
	@echo 'make demo-ovs  the same with Debian'"'"'s Open vSwitch on top (needs root)'
	@echo 'make test      everything: unit, system, hot path, a minute of fuzzing (needs root)'
	@echo 'make build     the release binary'
	@echo 'make unit      the unit tests alone; FILTER=Name runs those whose name matches'
	@echo 'make system    the tests with real traffic alone'
	@echo 'make fuzz      every parser under libFuzzer; SECONDS=600 in all'
	@echo 'make bench     measurements; make bench-docs also renews docs/performance.md'
	@echo 'make format    formats the sources;  make lint: fails where they are not formatted'
	@echo 'make install   puts the binary, its libraries, completions and documents under PREFIX=$(PREFIX)'
	@echo 'make install-device-library   only what programs in C need: it takes no Swift'
	@echo 'make install-service   units for systemd: Martlet, and a drop-in for Open vSwitch'

build:
	@scripts/build

demo:
	@scripts/install-dependencies demo
	@scripts/demo

demo-ovs:
	@scripts/install-dependencies demo-ovs
	@scripts/demo-ovs

test:
	@scripts/test

unit:
	@scripts/unit-test $(if $(FILTER),'$(FILTER)')

system:
	@scripts/install-dependencies test
	@scripts/system-test

hotpath:
	@scripts/hotpath

SECONDS ?= 600
fuzz:
	@scripts/fuzz --seconds $(SECONDS)

bench:
	@scripts/bench

bench-docs:
	@scripts/performance

SOURCES = Package.swift Sources Tests Benchmarks/Package.swift Benchmarks/Sources Fuzz/Package.swift Fuzz/Sources
format:
	swift format --in-place --recursive $(SOURCES)
lint:
	swift format lint --strict --recursive $(SOURCES)

install: build install-device-library
	install -D -m 755 "$$(swift build -c release --show-bin-path)/martlet" '$(DESTDIR)$(PREFIX)/bin/martlet'
	install -D -m 644 "$$(swift build -c release --show-bin-path)/libmartlet-attach.so" '$(DESTDIR)$(PREFIX)/lib/martlet/libmartlet-attach.so'
	@for shell in bash:bash-completion/completions/martlet zsh:zsh/site-functions/_martlet fish:fish/vendor_completions.d/martlet.fish; do \
		file='$(DESTDIR)$(PREFIX)/share/'"$${shell#*:}"; mkdir -p "$$(dirname "$$file")"; \
		"$$(swift build -c release --show-bin-path)/martlet" --generate-completion-script "$${shell%%:*}" >"$$file" || exit 1; \
	done
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/doc/martlet' docs/compatibility.md

# Without DESTDIR the loader is told of the new library.
install-device-library:
	@scripts/build-device-library .build/device-library >/dev/null
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/include/martlet' Sources/CDevice/include/martlet/*.h
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/lib' .build/device-library/libmartlet-device.so.1 .build/device-library/libmartlet-device.a
	ln -sf libmartlet-device.so.1 '$(DESTDIR)$(PREFIX)/lib/libmartlet-device.so'
	@install -d '$(DESTDIR)$(PREFIX)/lib/pkgconfig'
	sed "s|@PREFIX@|$(PREFIX)|; s|@VERSION@|$$(sed -n 's/.*let version = "\(.*\)"/\1/p' Sources/martlet/Martlet.swift)|" packaging/martlet-device.pc.in >'$(DESTDIR)$(PREFIX)/lib/pkgconfig/martlet-device.pc'
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/man/man3' docs/man/martlet-device.3
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/doc/martlet' docs/device.md
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/doc/martlet/examples/c' examples/c/watch.c examples/c/Makefile
	install -D -m 755 -t '$(DESTDIR)$(PREFIX)/share/doc/martlet/examples/python' examples/python/watch.py
	@if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" = 0 ]; then ldconfig || echo 'martlet: run ldconfig, or programs will not find the library'; fi

SYSTEMD ?= /etc/systemd/system
install-service:
	@install -d '$(DESTDIR)$(SYSTEMD)/ovs-vswitchd.service.d'
	sed 's|@BINDIR@|$(PREFIX)/bin|' packaging/martlet.service >'$(DESTDIR)$(SYSTEMD)/martlet.service'
	sed 's|@BINDIR@|$(PREFIX)/bin|' packaging/ovs-vswitchd.conf \
		>'$(DESTDIR)$(SYSTEMD)/ovs-vswitchd.service.d/martlet.conf'
	@if [ -z '$(DESTDIR)' ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi

clean:
	rm -rf .build Benchmarks/.build Fuzz/.build
