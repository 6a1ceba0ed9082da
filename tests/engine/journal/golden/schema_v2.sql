-- A journal of schema version 2 as released. Never edit: later programs must open it (R6).
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'strikedesk','0001_first_tables','2026-11-21 18:09:27.248202+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'strikedesk','0002_exposures_and_slippage','2026-11-21 18:09:27.251862+00:00');
CREATE TABLE alarms (
        alarm_id TEXT PRIMARY KEY, since_ns INTEGER NOT NULL, text TEXT NOT NULL, ended_ns INTEGER NOT NULL,
        acknowledged_ns INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "alarms" VALUES('naked:B1',1795405500000000000,'bare',0,0);
CREATE TABLE bots (
        account TEXT NOT NULL, bot TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (account, bot)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "bots" VALUES('AB1234','pair','{"trading_day":"2026-11-23","day_net_paise":32266}');
CREATE TABLE brackets (
        bracket_id TEXT PRIMARY KEY, account TEXT NOT NULL, bot TEXT NOT NULL, symbol TEXT NOT NULL,
        style TEXT NOT NULL, state TEXT NOT NULL, open_qty INTEGER NOT NULL, entry_paise INTEGER NOT NULL,
        stop_paise INTEGER NOT NULL, target_paise INTEGER NOT NULL, opened_ns INTEGER NOT NULL,
        closed_ns INTEGER NOT NULL, body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "brackets" VALUES('B1','AB1234','pair','NIFTY24500PE','resting','protected',75,10005,9505,10505,1795405500000000000,0,'{"trail":null}');
CREATE TABLE events (
        seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, level TEXT NOT NULL, event TEXT NOT NULL,
        source TEXT NOT NULL, symbol TEXT NOT NULL, tag TEXT NOT NULL, text TEXT NOT NULL, body TEXT NOT NULL,
        link INTEGER NOT NULL
    ) STRICT;
INSERT INTO "events" VALUES(1,1795405500000000000,'INFO','entry','pair','','','[ENTRY] BUY','',-668432675568122882);
INSERT INTO "events" VALUES(2,1795405500000000000,'INFO','exits','pair','','','[EXITS]','',5925885608344730185);
CREATE TABLE exposures (
        bracket_id TEXT NOT NULL, began_ns INTEGER NOT NULL, account TEXT NOT NULL, bot TEXT NOT NULL,
        symbol TEXT NOT NULL, ended_ns INTEGER NOT NULL, qty INTEGER NOT NULL, unit_ns INTEGER NOT NULL,
        cause TEXT NOT NULL, trading_day TEXT NOT NULL, PRIMARY KEY (bracket_id, began_ns)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "exposures" VALUES('B1',1795405500000000000,'AB1234','pair','NIFTY24500PE',1795405501000000000,75,75000000000,'placing','2026-11-23');
CREATE TABLE fills (
        account TEXT NOT NULL, trade_id TEXT NOT NULL, tag TEXT NOT NULL, broker_id TEXT NOT NULL,
        bracket_id TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, qty INTEGER NOT NULL,
        price_paise INTEGER NOT NULL, at_ns INTEGER NOT NULL, seq INTEGER NOT NULL, link INTEGER NOT NULL,
        PRIMARY KEY (account, trade_id, tag)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "fills" VALUES('AB1234','X1','R1T1','26112300001','B1','NIFTY24500PE','BUY',75,10005,1795405500000000000,1,8927236810388413835);
CREATE TABLE intents (
        seq INTEGER PRIMARY KEY, tag TEXT NOT NULL,
        op TEXT NOT NULL CHECK (op = 'place' OR op = 'modify' OR op = 'cancel'),
        account TEXT NOT NULL, bracket_id TEXT NOT NULL, role TEXT NOT NULL, symbol TEXT NOT NULL,
        side TEXT NOT NULL, type TEXT NOT NULL, qty INTEGER NOT NULL, limit_paise INTEGER NOT NULL,
        trigger_paise INTEGER NOT NULL, reason TEXT NOT NULL, at_ns INTEGER NOT NULL,
        link INTEGER NOT NULL,
        answer TEXT NOT NULL DEFAULT '' CHECK (
            answer = '' OR answer = 'acked' OR answer = 'refused' OR answer = 'not_sent' OR answer = 'unknown'),
        answer_code TEXT NOT NULL DEFAULT '', answer_text TEXT NOT NULL DEFAULT '',
        answer_ns INTEGER NOT NULL DEFAULT 0
    ) STRICT;
INSERT INTO "intents" VALUES(1,'R1T1','place','AB1234','B1','entry','NIFTY24500PE','BUY','LIMIT',75,10005,0,'entry',1795405500000000000,5524427087744947788,'acked','26112300001','',1795405500000000000);
INSERT INTO "intents" VALUES(2,'R1T2','place','AB1234','B1','stop','NIFTY24500PE','SELL','SL',75,9005,9505,'stop',1795405500000000000,8619757735966062866,'','','',0);
CREATE TABLE meta (key TEXT PRIMARY KEY, value_int INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('tag_counter',2);
CREATE TABLE orders (
        tag TEXT PRIMARY KEY, account TEXT NOT NULL, bracket_id TEXT NOT NULL, bot TEXT NOT NULL, role TEXT NOT NULL,
        symbol TEXT NOT NULL, exchange TEXT NOT NULL, product TEXT NOT NULL, side TEXT NOT NULL, type TEXT NOT NULL,
        qty INTEGER NOT NULL, limit_paise INTEGER NOT NULL, trigger_paise INTEGER NOT NULL, reason TEXT NOT NULL,
        state TEXT NOT NULL, pending TEXT NOT NULL, pending_since_ns INTEGER NOT NULL, asked_qty INTEGER NOT NULL,
        asked_limit_paise INTEGER NOT NULL, asked_trigger_paise INTEGER NOT NULL, asked_type TEXT NOT NULL,
        broker_id TEXT NOT NULL, reject_code TEXT NOT NULL, reject_text TEXT NOT NULL, modify_count INTEGER NOT NULL,
        intended_ns INTEGER NOT NULL, state_ns INTEGER NOT NULL, filled_qty INTEGER NOT NULL,
        traded_qty INTEGER NOT NULL, traded_value_paise INTEGER NOT NULL, provisional_paise INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "orders" VALUES('R1T1','AB1234','B1','pair','entry','NIFTY24500PE','NFO','NRML','BUY','LIMIT',75,10005,0,'','filled','',0,0,0,0,'LIMIT','26112300001','','',0,1795405500000000000,1795405500000000000,75,75,750375,0);
INSERT INTO "orders" VALUES('R1T2','AB1234','B1','pair','stop','NIFTY24500PE','NFO','NRML','SELL','SL',75,9005,9505,'','intended','',0,0,0,0,'LIMIT','','','',0,1795405500000000000,1795405500000000000,0,0,0,0);
CREATE TABLE positions (
        account TEXT NOT NULL, symbol TEXT NOT NULL, product TEXT NOT NULL, trading_day TEXT NOT NULL,
        net_qty INTEGER NOT NULL, buy_qty INTEGER NOT NULL, buy_value_paise INTEGER NOT NULL,
        sell_qty INTEGER NOT NULL, sell_value_paise INTEGER NOT NULL,
        PRIMARY KEY (account, symbol, product, trading_day)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "positions" VALUES('AB1234','NIFTY24500PE','NRML','2026-11-23',75,75,750375,0,0);
CREATE TABLE runs (
        run_no INTEGER PRIMARY KEY, started_ns INTEGER NOT NULL, version TEXT NOT NULL, mode TEXT NOT NULL,
        account TEXT NOT NULL, seed INTEGER NOT NULL, sqlite_version TEXT NOT NULL,
        ended_ns INTEGER NOT NULL DEFAULT 0, exit_code INTEGER NOT NULL DEFAULT -1
    ) STRICT;
INSERT INTO "runs" VALUES(217568700,1795405500000000000,'0.1.0','PAPER','AB1234',0,'3.40.1',0,-1);
CREATE TABLE ticks (
        symbol TEXT NOT NULL, at_ns INTEGER NOT NULL, ltp_paise INTEGER NOT NULL, bid_paise INTEGER NOT NULL,
        bid_qty INTEGER NOT NULL, ask_paise INTEGER NOT NULL, ask_qty INTEGER NOT NULL
    ) STRICT;
CREATE TABLE trades (
        trade_id TEXT PRIMARY KEY, bracket_id TEXT NOT NULL, account TEXT NOT NULL, bot TEXT NOT NULL,
        symbol TEXT NOT NULL, side TEXT NOT NULL, qty INTEGER NOT NULL, entry_paise INTEGER NOT NULL,
        exit_paise INTEGER NOT NULL, entry_value_paise INTEGER NOT NULL, exit_value_paise INTEGER NOT NULL,
        gross_paise INTEGER NOT NULL, brokerage_paise INTEGER NOT NULL, charges_paise INTEGER NOT NULL,
        net_paise INTEGER NOT NULL, reason TEXT NOT NULL, provisional INTEGER NOT NULL, opened_ns INTEGER NOT NULL,
        closed_ns INTEGER NOT NULL, trading_day TEXT NOT NULL, order_count INTEGER NOT NULL,
        surplus_qty INTEGER NOT NULL, surplus_paise INTEGER NOT NULL
    , level_paise INTEGER NOT NULL DEFAULT 0, trigger_paise INTEGER NOT NULL DEFAULT 0, slippage_paise INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
INSERT INTO "trades" VALUES('B0','B0','AB1234','pair','NIFTY24500PE','BUY',75,10005,10505,750375,787875,37500,4000,1234,32266,'Target Hit',0,1795405500000000000,1795405501000000000,'2026-11-23',3,0,0,10500,10505,-5);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX trades_by_day ON trades (account, trading_day);
CREATE VIEW fills_view AS SELECT CASE at_ns WHEN 0 THEN '' ELSE strftime('%Y-%m-%d %H:%M:%S', at_ns / 1000000000 + 19800, 'unixepoch') || printf('.%03d', at_ns / 1000000 % 1000) END AS at_ist, account, symbol, side, qty,
        price_paise / 100.0 AS price_rupees, qty * price_paise / 100.0 AS value_rupees,
        tag, bracket_id, broker_id, trade_id FROM fills ORDER BY seq;
CREATE VIEW orders_view AS SELECT CASE intended_ns WHEN 0 THEN '' ELSE strftime('%Y-%m-%d %H:%M:%S', intended_ns / 1000000000 + 19800, 'unixepoch') || printf('.%03d', intended_ns / 1000000 % 1000) END AS intended_ist, CASE state_ns WHEN 0 THEN '' ELSE strftime('%Y-%m-%d %H:%M:%S', state_ns / 1000000000 + 19800, 'unixepoch') || printf('.%03d', state_ns / 1000000 % 1000) END AS state_ist,
        account, bot, symbol, role, side, type, qty, filled_qty, limit_paise / 100.0 AS limit_rupees,
        trigger_paise / 100.0 AS trigger_rupees,
        CASE traded_qty WHEN 0 THEN NULL ELSE round(traded_value_paise / 100.0 / traded_qty, 2) END
        AS average_rupees, state, pending, reason, reject_code, reject_text, tag, bracket_id, broker_id
        FROM orders ORDER BY intended_ns, tag;
CREATE VIEW days_view AS SELECT trading_day, account, bot, count(*) AS trades,
        sum((gross_paise - brokerage_paise - charges_paise) > 0) AS winners, sum(gross_paise) / 100.0 AS gross_rupees,
        sum(brokerage_paise + charges_paise) / 100.0 AS charges_rupees,
        sum(gross_paise - brokerage_paise - charges_paise) / 100.0 AS net_rupees, sum(provisional) AS provisional_trades
        FROM trades GROUP BY trading_day, account, bot ORDER BY trading_day, account, bot;
CREATE VIEW events_view AS SELECT CASE at_ns WHEN 0 THEN '' ELSE strftime('%Y-%m-%d %H:%M:%S', at_ns / 1000000000 + 19800, 'unixepoch') || printf('.%03d', at_ns / 1000000 % 1000) END AS at_ist, level, event, source, symbol, tag, text
        FROM events ORDER BY seq;
CREATE INDEX exposures_by_day ON exposures (account, trading_day);
CREATE VIEW trades_view AS SELECT trading_day, CASE opened_ns WHEN 0 THEN '' ELSE strftime('%Y-%m-%d %H:%M:%S', opened_ns / 1000000000 + 19800, 'unixepoch') || printf('.%03d', opened_ns / 1000000 % 1000) END AS opened_ist,
        CASE closed_ns WHEN 0 THEN '' ELSE strftime('%Y-%m-%d %H:%M:%S', closed_ns / 1000000000 + 19800, 'unixepoch') || printf('.%03d', closed_ns / 1000000 % 1000) END AS closed_ist, account, bot, symbol,
        CASE side WHEN 'SELL' THEN 'SHORT' ELSE 'LONG' END AS side, qty, entry_paise / 100.0 AS entry_rupees,
        exit_paise / 100.0 AS exit_rupees, gross_paise / 100.0 AS gross_rupees,
        (brokerage_paise + charges_paise) / 100.0 AS charges_rupees, (gross_paise - brokerage_paise - charges_paise) / 100.0 AS net_rupees,
        reason, provisional, order_count, surplus_qty, surplus_paise / 100.0 AS surplus_rupees,
        level_paise / 100.0 AS level_rupees, trigger_paise / 100.0 AS trigger_rupees,
        slippage_paise / 100.0 AS slippage_rupees, trade_id, bracket_id
        FROM trades ORDER BY closed_ns, trade_id;
CREATE VIEW exposures_view AS SELECT trading_day, CASE began_ns WHEN 0 THEN '' ELSE strftime('%Y-%m-%d %H:%M:%S', began_ns / 1000000000 + 19800, 'unixepoch') || printf('.%03d', began_ns / 1000000 % 1000) END AS began_ist,
        CASE ended_ns WHEN 0 THEN '' ELSE strftime('%Y-%m-%d %H:%M:%S', ended_ns / 1000000000 + 19800, 'unixepoch') || printf('.%03d', ended_ns / 1000000 % 1000) END AS ended_ist, (ended_ns - began_ns) / 1000000000.0 AS seconds, account, bot, symbol, qty,
        unit_ns / 1000000000.0 AS unit_seconds, cause, bracket_id FROM exposures ORDER BY began_ns, bracket_id;
CREATE VIEW exposures_by_day_view AS SELECT trading_day, account, count(*) AS exposures,
        sum(unit_ns / 1000000000.0) AS unit_seconds, max(CASE place WHEN (places * 50 + 99) / 100 THEN (ended_ns - began_ns) / 1000000000.0 END) AS p50_seconds, max(CASE place WHEN (places * 90 + 99) / 100 THEN (ended_ns - began_ns) / 1000000000.0 END) AS p90_seconds, max(CASE place WHEN (places * 99 + 99) / 100 THEN (ended_ns - began_ns) / 1000000000.0 END) AS p99_seconds, max((ended_ns - began_ns) / 1000000000.0) AS worst_seconds, sum((ended_ns - began_ns) >= 0 AND (ended_ns - began_ns) < 100000000) AS under_100ms, sum((ended_ns - began_ns) >= 100000000 AND (ended_ns - began_ns) < 500000000) AS under_500ms, sum((ended_ns - began_ns) >= 500000000 AND (ended_ns - began_ns) < 1000000000) AS under_1s, sum((ended_ns - began_ns) >= 1000000000 AND (ended_ns - began_ns) < 2000000000) AS under_2s, sum((ended_ns - began_ns) >= 2000000000 AND (ended_ns - began_ns) < 5000000000) AS under_5s, sum((ended_ns - began_ns) >= 5000000000 AND (ended_ns - began_ns) < 10000000000) AS under_10s, sum((ended_ns - began_ns) >= 10000000000 AND (ended_ns - began_ns) < 60000000000) AS under_60s, sum((ended_ns - began_ns) >= 60000000000) AS from_60s
        FROM (SELECT *, row_number() OVER (PARTITION BY trading_day, account ORDER BY ended_ns - began_ns) AS place,
            count(*) OVER (PARTITION BY trading_day, account) AS places FROM exposures)
        GROUP BY trading_day, account ORDER BY trading_day, account;
CREATE VIEW exposures_by_cause_view AS SELECT trading_day, account, cause, count(*) AS exposures,
        sum(unit_ns / 1000000000.0) AS unit_seconds, max(CASE place WHEN (places * 50 + 99) / 100 THEN (ended_ns - began_ns) / 1000000000.0 END) AS p50_seconds, max(CASE place WHEN (places * 90 + 99) / 100 THEN (ended_ns - began_ns) / 1000000000.0 END) AS p90_seconds, max(CASE place WHEN (places * 99 + 99) / 100 THEN (ended_ns - began_ns) / 1000000000.0 END) AS p99_seconds, max((ended_ns - began_ns) / 1000000000.0) AS worst_seconds, sum((ended_ns - began_ns) >= 0 AND (ended_ns - began_ns) < 100000000) AS under_100ms, sum((ended_ns - began_ns) >= 100000000 AND (ended_ns - began_ns) < 500000000) AS under_500ms, sum((ended_ns - began_ns) >= 500000000 AND (ended_ns - began_ns) < 1000000000) AS under_1s, sum((ended_ns - began_ns) >= 1000000000 AND (ended_ns - began_ns) < 2000000000) AS under_2s, sum((ended_ns - began_ns) >= 2000000000 AND (ended_ns - began_ns) < 5000000000) AS under_5s, sum((ended_ns - began_ns) >= 5000000000 AND (ended_ns - began_ns) < 10000000000) AS under_10s, sum((ended_ns - began_ns) >= 10000000000 AND (ended_ns - began_ns) < 60000000000) AS under_60s, sum((ended_ns - began_ns) >= 60000000000) AS from_60s
        FROM (SELECT *, row_number() OVER (PARTITION BY trading_day, account, cause ORDER BY ended_ns - began_ns) AS place,
            count(*) OVER (PARTITION BY trading_day, account, cause) AS places FROM exposures)
        GROUP BY trading_day, account, cause ORDER BY trading_day, account, cause;
COMMIT;
PRAGMA application_id = 1396984369;
PRAGMA user_version = 2;
