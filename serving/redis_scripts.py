"""What Redis does in one step: each script runs alone, and what it writes is kept whole or not at all.

``KEYS[1]`` is the prefix of every key; docs/decisions/redis-state.md lists them.
"""

APPEND = """
local p, received_at, accepted = KEYS[1], ARGV[1], 0
local landed = p .. 'redemptions:' .. (redis.call('GET', p .. 'generation') or '0')
for i = 2, #ARGV, 5 do
  local id, body, user, line, campaign = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  if redis.call('HEXISTS', p .. 'event_ids', id) == 0 then
    local seq = redis.call('INCR', p .. 'seq')
    redis.call('HSET', p .. 'event_ids', id, seq)
    redis.call('XADD', p .. 'log', string.format('%.0f-0', seq), 'event_id', id, 'body', body,
               'received_at', received_at)
    if line ~= '' then
      redis.call('HSET', p .. 'fresh_users', id, user)
      redis.call('ZADD', p .. 'fresh_seqs', seq, id)
      redis.call('HSET', p .. 'fresh:' .. user, id, line)
    end
    if campaign ~= '' and redis.call('HEXISTS', landed, 'event:' .. id) == 0 then
      redis.call('ZADD', p .. 'redeemed_seqs', seq, cjson.encode({user, id, campaign}))
      redis.call('HSET', p .. 'redeemed:' .. user, id, campaign)
      redis.call('HINCRBY', p .. 'redeemed_counts', campaign, 1)
    end
    accepted = accepted + 1
  end
end
return accepted
"""
"""Received at, then of each event: id, body, user, line (empty where no history changes), campaign redeemed."""

READ = """
local p, user = KEYS[1], ARGV[1]
local landed = redis.call('HGET', p .. 'histories:' .. (redis.call('GET', p .. 'generation') or '0'), user)
local fresh, begun = redis.call('HVALS', p .. 'fresh:' .. user), {}
if #fresh > 0 then begun = redis.call('HVALS', p .. 'landed:' .. user) end
return {landed, fresh, begun, redis.call('GET', p .. 'refresh'), redis.call('GET', p .. 'seq')}
"""
"""One shopper: landed history, fresh lines, landed lines, number of the refresh, end of the log."""

REPLACE = """
local p, number, count, told = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local judged, at, made_of = ARGV[4], ARGV[5], ARGV[6]
local histories, staged = p .. 'histories:' .. number, p .. 'landed_ids:' .. number
local redemptions = p .. 'redemptions:' .. number
if redis.call('HLEN', histories) ~= count or redis.call('HLEN', redemptions) ~= told then
  return redis.error_reply('STAGED the new histories are not whole any more')
end
local function forget(id)
  local user = redis.call('HGET', p .. 'fresh_users', id)
  if not user then return end
  local line = redis.call('HGET', p .. 'fresh:' .. user, id)
  redis.call('HDEL', p .. 'fresh_users', id)
  redis.call('ZREM', p .. 'fresh_seqs', id)
  redis.call('HDEL', p .. 'fresh:' .. user, id)
  return user, line
end
for _, id in ipairs(redis.call('SMEMBERS', staged)) do
  local user, line = forget(id)
  if user then
    redis.call('HSETNX', p .. 'landed:' .. user, id, line)
    redis.call('ZADD', p .. 'landed_times', string.format('%.0f', cjson.decode(line)[2]), cjson.encode({user, id}))
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. 'fresh_seqs', '-inf', judged)) do forget(id) end
local posted = redis.call('ZRANGE', p .. 'redeemed_seqs', 0, -1, 'WITHSCORES')
for i = 1, #posted, 2 do
  local user, id, campaign = unpack(cjson.decode(posted[i]))
  if tonumber(posted[i + 1]) <= tonumber(judged) or redis.call('HEXISTS', redemptions, 'event:' .. id) == 1 then
    redis.call('ZREM', p .. 'redeemed_seqs', posted[i])
    redis.call('HDEL', p .. 'redeemed:' .. user, id)
    if redis.call('HINCRBY', p .. 'redeemed_counts', campaign, -1) == 0 then
      redis.call('HDEL', p .. 'redeemed_counts', campaign)
    end
  end
end
if made_of ~= '' then
  local old = '(' .. at
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', p .. 'landed_times', '-inf', old)) do
    local whose = cjson.decode(member)
    redis.call('HDEL', p .. 'landed:' .. whose[1], whose[2])
  end
  redis.call('ZREMRANGEBYSCORE', p .. 'landed_times', '-inf', old)
  local refresh = redis.call('INCR', p .. 'refresh')
  redis.call('HSET', p .. 'refreshes', refresh, made_of)
  for i = 7, #ARGV do redis.call('HSETNX', p .. 'landed_batches', ARGV[i], refresh) end
end
local before = redis.call('GET', p .. 'generation')
redis.call('PERSIST', histories)
redis.call('PERSIST', redemptions)
redis.call('SET', p .. 'generation', number)
redis.call('UNLINK', staged)
if before then redis.call('UNLINK', p .. 'histories:' .. before, p .. 'redemptions:' .. before) end
return count
"""
"""Number of the new generation, size of its two hashes, judged through, moment before which lines are old, refresh,
its batches."""

REDEEMED = """
local p, user = KEYS[1], ARGV[1]
local landed = p .. 'redemptions:' .. (redis.call('GET', p .. 'generation') or '0')
return {redis.call('HGET', landed, 'user:' .. user), redis.call('HVALS', p .. 'redeemed:' .. user)}
"""
"""Campaigns of which a shopper redeemed a coupon: landed, posted."""

SHOW = """
local p, user, now, k, old, at_once = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local landed = p .. 'redemptions:' .. (redis.call('GET', p .. 'generation') or '0')
local found, shown = {}, 0
local function number(key, field) return tonumber(redis.call('HGET', key, field) or 0) end
local function reached(count, limit) return limit ~= '' and count >= tonumber(limit) end
for i = 6, #ARGV, 5 do
  if shown == k then break end
  local campaign, since, whose = ARGV[i], ARGV[i + 1], cjson.encode({user, ARGV[i]})
  local key = p .. 'showings:' .. whose
  local to_shopper = redis.call('ZCOUNT', key, '(' .. since, '+inf')
  local to_all = number(p .. 'shown_campaigns', campaign)
  local redeemed = number(landed, 'campaign:' .. campaign) + number(p .. 'redeemed_counts', campaign)
  if reached(to_shopper, ARGV[i + 2]) then
    found[#found + 1] = {'showings', to_shopper}
  elseif reached(to_all, ARGV[i + 3]) then
    found[#found + 1] = {'budget_showings', to_all}
  elseif reached(redeemed, ARGV[i + 4]) then
    found[#found + 1] = {'budget_redemptions', redeemed}
  else
    shown = shown + 1
    found[#found + 1] = {'', 0}
    redis.call('ZADD', key, now, redis.call('HINCRBY', p .. 'shown_campaigns', campaign, 1))
    redis.call('ZADD', p .. 'showing_times', 'GT', now, whose)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', old)
  end
end
-- Last: after a first write, of whatever kind, a server that is full refuses none of a script any more.
for _, whose in ipairs(redis.call('ZRANGEBYSCORE', p .. 'showing_times', '-inf', old, 'LIMIT', 0, at_once)) do
  redis.call('ZREM', p .. 'showing_times', whose)
  redis.call('UNLINK', p .. 'showings:' .. whose)
end
return found
"""
"""Shopper, now, how many, moment through which showings are old, how many of them are forgotten at once; then of each
campaign: its id, since when showings count, its three limits (empty for none). Gives of each that was looked at the
limit that is reached, and by what number; empty where it is shown."""

PUT = """
local p, item, body = KEYS[1], ARGV[1], ARGV[2]
redis.call('HSET', p .. 'items', item, body)
redis.call('ZADD', p .. 'item_seqs', redis.call('INCR', p .. 'item_seq'), item)
return 1
"""
"""Item and body."""

PUTS_AFTER = """
local p, found = KEYS[1], {}
local rows = redis.call('ZRANGEBYSCORE', p .. 'item_seqs', '(' .. ARGV[1], '+inf', 'WITHSCORES')
for i = 1, #rows, 2 do
  found[#found + 1] = rows[i + 1]
  found[#found + 1] = rows[i]
  found[#found + 1] = redis.call('HGET', p .. 'items', rows[i])
end
return found
"""
"""What was put after a number: number, item, body of each, in order."""

USERS = """
local p = KEYS[1]
local landed = redis.call('HKEYS', p .. 'histories:' .. (redis.call('GET', p .. 'generation') or '0'))
return {landed, redis.call('HVALS', p .. 'fresh_users')}
"""
"""Shoppers with a landed history, and of fresh purchases."""

REFRESHES = """
return {redis.call('HGETALL', KEYS[1] .. 'refreshes'), redis.call('HGETALL', KEYS[1] .. 'landed_batches')}
"""
"""Refreshes by number, and batches with the first refresh that held them."""

PROGRESS = """
local p = KEYS[1]
local newest = redis.call('GET', p .. 'refresh') or '0'
return {redis.call('HGET', p .. 'refreshes', newest), redis.call('GET', p .. 'seq')}
"""
"""The newest refresh, end of the log."""
