-- One exchange of a scheduler with a quota. model.go says the same in Go, and what it means.
-- KEYS: of the generation, of the quota's memory. All times are in microseconds.
local clock = redis.call('TIME')
local raw = clock[1] * 1000000 + clock[2]
local begin, nonce, config, id, known = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local serial, acked, silent = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local used, age, leased, inuse = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local head, waiting, ahead, past = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15]), ARGV[16]

local function text(n) return string.format('%.0f', n) end

-- memory: generation, config, last, ready, grace, windows, nodes, lease, burst, longest, recovery
-- window: permits, per, total, log of at, n, at, n, ... in order
-- node:   id, serial, used, held, in use, seen, tag, head, waiting, asked, owes, lease, again
local function create(gen)
	local n = {}
	for word in string.gmatch(config, '%d+') do n[#n + 1] = tonumber(word) end
	local windows, longest = {}, 0
	for i = 4, #n, 2 do
		windows[#windows + 1] = {n[i], n[i + 1], 0, {}}
		longest = math.max(longest, n[i + 1])
	end
	return {gen, config, 0, 0, 0, windows, {}, n[1], n[3], longest, n[2]}
end

local function delay(m)
	if m[11] == 0 then return m[8] elseif m[11] == 1 then return m[8] + m[10] end
	return 0
end

local function charge(w, at, n)
	local log, cell = w[4], math.max(1, math.floor(w[2] / 128))
	local i = #log - 1
	while i >= 1 and log[i] > at do i = i - 2 end
	-- i is the last that is not later than at
	w[3] = w[3] + n
	local c = math.floor(at / cell)
	if i + 2 <= #log - 1 and math.floor(log[i + 2] / cell) == c then
		log[i + 3] = log[i + 3] + n
	elseif i >= 1 and math.floor(log[i] / cell) == c then
		log[i], log[i + 1] = at, log[i + 1] + n
	else
		table.insert(log, i + 2, at)
		table.insert(log, i + 3, n)
	end
end

local gen = redis.call('GET', KEYS[1])
local function renew()
	gen = text(raw) .. '-' .. nonce
	redis.call('SET', KEYS[1], gen)
end

local m, stale = nil, false
if begin == '1' or not gen then
	renew()
else
	local blob = redis.call('GET', KEYS[2])
	if blob then m = cmsgpack.unpack(blob) end
	if m and m[1] ~= gen then m, stale = nil, true end
end

local function find()
	for _, n in ipairs(m[7]) do
		if n[1] == id then return n end
	end
end

local node, lapsed
local now = raw
if m then
	now = math.max(raw, m[3])
	node = find()
	local remembered = known == gen and acked > 0
	if remembered and (node and node[2] < acked or not node and silent < m[10] + 5 * m[8]) then
		renew() -- it has forgotten what it once knew
		m, node = nil, nil
	elseif m[2] ~= config then
		for _, other in ipairs(m[7]) do
			if other[6] + m[8] > now then return {3, m[2], 0, text(raw), gen} end
		end
		local before = m
		m, node = create(gen), nil
		m[3], m[4] = now, now + before[8] + before[10]
	end
elseif not stale and known == gen and acked > 0 then
	m = create(gen)
	m[3] = now
	m[4] = now + delay(m)
	if silent >= m[10] + 5 * m[8] then m[4] = 0 end -- it was forgotten in good order
end
if not m then
	m = create(gen)
	m[3] = now
	m[4] = tonumber(string.match(gen, '^%d+')) + delay(m)
end

local lease, burst = m[8], m[9]
if now - m[3] > lease / 2 then m[5] = now + lease end
m[3] = now

-- Dead leases count as used at their end.
local held, busy, highest, live = 0, 0, 0, 0
local nodes = m[7]
for i = #nodes, 1, -1 do
	local n = nodes[i]
	if n[6] + lease <= now then
		if n == node then lapsed = true end
		if n[4] > 0 then
			for _, w in ipairs(m[6]) do charge(w, n[6] + lease + 1, n[4]) end
			n[11], n[5], n[4] = n[11] + n[4], n[5] + n[4], 0 -- it may be in use
		end
		if now >= m[5] then n[5] = 0 end
		if n[6] + m[10] + 10 * lease <= now then
			table.remove(nodes, i)
			if node == n then node = nil end
		end
	end
end
for _, n in ipairs(nodes) do highest = math.max(highest, n[7]) end

local function keep()
	redis.call('SET', KEYS[2], cmsgpack.pack(m), 'PX', text(math.ceil((m[10] + 11 * lease) / 1000)))
end

if not node then
	if past == '-' then
		keep()
		return {1, 0, 0, text(raw), gen}
	elseif leased > 0 and now >= m[4] then
		keep() -- as below
		return {2, 0, 0, text(raw), gen}
	end
	local i = 0
	for list in string.gmatch(past, '[^;]+') do
		i = i + 1
		for a, n in string.gmatch(list, '(%d+):(%d+)') do
			charge(m[6][i], now + 1 - tonumber(a), tonumber(n))
		end
	end
	node = {id, serial, used, 0, 0, now, highest, 0, 0, now, 0, 0, 0}
	nodes[#nodes + 1] = node
else
	-- What was leased when the request was made has been charged meanwhile, and may count no longer.
	if serial < node[2] or leased > 0 and lapsed then
		keep()
		return {2, 0, 0, text(raw), gen}
	elseif serial == node[2] then
		keep()
		return {0, node[12], node[13], text(raw), gen}
	end
	local delta = math.max(0, used - node[3])
	local due = math.max(0, delta - node[11])
	if due > 0 then
		for _, w in ipairs(m[6]) do charge(w, now + 1 - age, due) end
	end
	node[7] = node[7] - math.max(0, node[4] - delta - leased)
	local least = burst > 0 and burst or 9007199254740991
	for _, w in ipairs(m[6]) do least = math.min(least, w[1]) end
	if now - node[10] > lease then node[7] = math.max(node[7], highest - least) end
	node[2], node[3], node[11] = serial, math.max(used, node[3]), 0
end
node[4], node[5], node[6], node[8], node[9] = leased, inuse, now, head, waiting
if head > 0 then node[10] = now end

-- What is free.
for _, w in ipairs(m[6]) do
	local log, first = w[4], 1
	while first < #log and log[first] + w[2] <= now do
		w[3] = w[3] - log[first + 1]
		first = first + 2
	end
	if first > 1 then
		local rest = {}
		for i = first, #log do rest[#rest + 1] = log[i] end
		w[4] = rest
	end
end
for _, n in ipairs(nodes) do
	held, busy = held + n[4], busy + n[5]
	if n[6] + lease > now then live = live + 1 end
end
local free, least = 9007199254740991, 9007199254740991
for _, w in ipairs(m[6]) do
	free, least = math.min(free, w[1] - w[3] - held), math.min(least, w[1])
end
if burst > 0 then
	free, least = math.min(free, burst - held - busy), math.min(least, burst)
end
local clump = math.ceil(least / 16)

-- Who wants more than there was, or wanted it lately, contends. Each may have an equal part of what is free, and besides what
-- the others are ahead of it; it is kept for those who have had less.
local contenders, half = 1, math.floor(lease / 2)
local function contends(n) return now - n[10] < half or n[8] > 0 and n[6] + lease > now end
for _, n in ipairs(nodes) do
	if n ~= node and contends(n) then contenders = contenders + 1 end
end

-- What those who come first are to have, and the others.
local function others()
	local before, behind = 0, 0
	local fair = math.floor(math.max(0, free) / contenders)
	local mine = false
	for _, n in ipairs(nodes) do
		if n == node then
			mine = true
		elseif contends(n) then
			local part = math.max(n[8], math.min(n[9], math.max(clump, fair) + math.max(0, node[7] - n[7])))
			if n[7] < node[7] or n[7] == node[7] and not mine then
				before = before + part
			else
				behind = behind + part
			end
		end
	end
	return before, behind, math.max(clump, fair)
end

local grant, again = 0, 0
local before, behind, fair = others()
local left = free - before
if now < m[4] then
	if head > 0 then again = m[4] - now end
else
	if head > 0 and left >= head then
		grant = math.min(waiting + ahead, left, math.max(head, fair))
	end
	if head == 0 then
		local spare = left - behind
		if spare > 0 then grant = math.min(ahead, math.ceil(spare / live)) end
	end
	node[4], node[7] = node[4] + grant, node[7] + grant
	node[8], node[9] = (grant < waiting) and head or 0, waiting + ahead
	if head > 0 and grant < waiting then
		-- When there may be more: enough for the head at least, a clump if that is soon.
		before = others()
		free = free - grant
		local rest = waiting - grant
		local need = grant == 0 and head or 1
		local function at(x)
			local when = now
			for _, w in ipairs(m[6]) do
				local missing = x - (w[1] - w[3] - held - grant)
				local log, i = w[4], 1
				while missing > 0 and i < #log do
					missing = missing - log[i + 1]
					if missing <= 0 then when = math.max(when, log[i] + w[2]) end
					i = i + 2
				end
				if missing > 0 then when = math.max(when, now + math.floor(lease / 4)) end
			end
			if burst > 0 and x > burst - held - busy - grant then when = math.max(when, now + math.floor(lease / 20)) end
			return when
		end
		local first, enough = at(before + need), at(before + math.min(rest, math.max(need, clump)))
		again = math.max(1000, math.max(first, math.min(enough, now + math.floor(lease / 4))) - now)
	end
end
node[12], node[13] = grant, again
keep()
return {0, grant, again, text(raw), gen}
