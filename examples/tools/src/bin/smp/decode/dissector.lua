-- SMP, the Simple Management Protocol of MCUmgr, for Wireshark: datagrams of port 1337, and of any
-- other by "Decode As". Written by `smp decode --wireshark`; the tables are those of that program.

local smp = Proto("mcumgr", "Simple Management Protocol (MCUmgr)")

-- Group number -> name
local GROUPS = {
@GROUPS@}

-- (Group * 256 + command) * 2, and 1 more for a write -> name
local COMMANDS = {
@COMMANDS@}

-- Group -> code -> name; -1 is SMP itself
local ERRORS = {
@ERRORS@}

local OPS = { [0] = "read", [1] = "read", [2] = "write", [3] = "write" }
local OP_NAMES = { [0] = "read request", [1] = "read response", [2] = "write request", [3] = "write response" }
local VERSIONS = { [0] = "1", [1] = "2" }

local f = smp.fields
f.op = ProtoField.uint8("mcumgr.op", "Operation", base.DEC, OP_NAMES, 0x07)
f.version = ProtoField.uint8("mcumgr.version", "Version", base.DEC, VERSIONS, 0x18)
f.flags = ProtoField.uint8("mcumgr.flags", "Flags", base.HEX)
f.length = ProtoField.uint16("mcumgr.length", "Length of the payload")
f.group = ProtoField.uint16("mcumgr.group", "Group", base.DEC, GROUPS)
f.sequence = ProtoField.uint8("mcumgr.seq", "Sequence number")
f.command = ProtoField.uint8("mcumgr.command", "Command")
f.name = ProtoField.string("mcumgr.name", "Name")
f.payload = ProtoField.string("mcumgr.payload", "Payload")
f.error = ProtoField.string("mcumgr.error", "Error")
f.text = ProtoField.string("mcumgr.text", "In words")
local broken = ProtoExpert.new("mcumgr.broken", "The message is damaged", expert.group.MALFORMED, expert.severity.ERROR)
smp.experts = { broken }

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quoted(text)
    text = text:gsub('[%c"\\]', function(c)
        return ESCAPES[c] or (c == "\127" and c) or string.format("\\u%04x", c:byte())
    end)
    return '"' .. text .. '"'
end

-- The shortest digits that are this number.
local function number(value)
    if value ~= value then return "NaN" end
    if value == math.huge then return "Infinity" end
    if value == -math.huge then return "-Infinity" end
    if value == math.floor(value) and math.abs(value) < 1e16 then return string.format("%.1f", value) end
    for digits = 1, 17 do
        local text = string.format("%." .. digits .. "g", value)
        if tonumber(text) == value then return (text:gsub("e([+-])0*(%d)", function(sign, rest)
            return "e" .. (sign == "-" and "-" or "") .. rest
        end)) end
    end
end

local function half(bits)
    local exponent, fraction = bit32.band(bit32.rshift(bits, 10), 31), bit32.band(bits, 1023)
    local size
    if exponent == 0 then size = fraction * 2 ^ -24
    elseif exponent == 31 then size = fraction == 0 and math.huge or 0 / 0
    else size = (1024 + fraction) * 2 ^ (exponent - 25) end
    return bits >= 0x8000 and -size or size
end

-- One CBOR item at `at` in diagnostic notation, the place after it, and, where it has one, its
-- value: a number, a text, or a table of the entries of a map.
local item

local function many(tvb, at, count, depth, is_map)
    local shown, entries, seen = {}, {}, 0
    while true do
        if count == nil then
            if tvb(at, 1):uint() == 0xFF then return shown, at + 1, entries end
        elseif seen == count then
            return shown, at, entries
        end
        local text, value
        text, at, value = item(tvb, at, depth)
        if is_map then
            local content, inner
            content, at, inner = item(tvb, at, depth)
            if type(value) == "string" and entries[value] == nil then entries[value] = inner end
            text = text .. ": " .. content
        end
        shown[#shown + 1] = text
        seen = seen + 1
    end
end

item = function(tvb, at, depth)
    if depth == 0 then error("nested too deep") end
    local first = tvb(at, 1):uint()
    local major, info = bit32.rshift(first, 5), bit32.band(first, 31)
    local argument, exact, size = info, nil, 0
    if info >= 24 and info <= 27 then
        size = 2 ^ (info - 24)
        exact = size == 8 and tvb(at + 1, 8):uint64() or nil
        argument = exact and exact:tonumber() or tvb(at + 1, size):uint()
    elseif info > 27 and info < 31 then
        error("no such head")
    end
    local start, open = at, info == 31
    at = at + 1 + size
    if major == 0 and not open then
        return exact and tostring(exact) or string.format("%d", argument), at, argument
    elseif major == 1 and not open then
        if exact then
            -- -1 - n: the digits of n + 1, which may be 2 to the power of 64
            local text = tostring(exact + 1)
            return "-" .. (text == "0" and "18446744073709551616" or text), at, -1 - argument
        end
        return string.format("%d", -1 - argument), at, -1 - argument
    elseif major == 2 or major == 3 then
        local bytes = ""
        if open then
            while tvb(at, 1):uint() ~= 0xFF do
                local part = tvb(at, 1):uint()
                if bit32.rshift(part, 5) ~= major then error("a string of other parts") end
                local width = bit32.band(part, 31)
                local len, skip = width, 1
                if width >= 24 and width <= 26 then
                    len, skip = tvb(at + 1, 2 ^ (width - 24)):uint(), 1 + 2 ^ (width - 24)
                end
                if len > 0 then bytes = bytes .. tvb:raw(at + skip, len) end
                at = at + skip + len
            end
            at = at + 1
        elseif argument > 0 then
            tvb(at, argument)
            bytes = tvb:raw(at, argument)
            at = at + argument
        end
        if major == 3 then return quoted(bytes), at, bytes end
        return "h'" .. bytes:gsub(".", function(c) return string.format("%02x", c:byte()) end) .. "'", at
    elseif major == 4 or major == 5 then
        local count = nil
        if not open then count = argument end
        local shown, after, entries = many(tvb, at, count, depth - 1, major == 5)
        local text = table.concat(shown, ", ")
        if major == 5 then return "{" .. text .. "}", after, entries end
        return "[" .. text .. "]", after
    elseif major == 6 then
        local text, after, value = item(tvb, at, depth - 1)
        return string.format("%d(%s)", argument, text), after, value
    elseif info == 20 or info == 21 then return info == 21 and "true" or "false", at
    elseif info == 22 then return "null", at
    elseif info == 23 then return "undefined", at
    elseif info == 25 then return number(half(argument)) .. "_1", at
    elseif info == 26 then return number(tvb(start + 1, 4):float()) .. "_2", at
    elseif info == 27 then return number(tvb(start + 1, 8):float()), at
    elseif info <= 24 then return string.format("simple(%d)", argument), at
    end
    error("no such item")
end

-- The name of the error in a response, as the client of that program sees it.
local function refusal(map)
    local err = type(map.err) == "table" and map.err or type(map.ret) == "table" and map.ret or nil
    if err and type(err.rc) == "number" and err.rc ~= 0 then
        return (ERRORS[err.group] or {})[err.rc] or "an unknown code"
    elseif type(map.rc) == "number" and map.rc ~= 0 then
        return ERRORS[-1][map.rc] or "an unknown code"
    end
end

function smp.dissector(tvb, pinfo, root)
    if tvb:len() < 8 then return 0 end
    local op, version = bit32.band(tvb(0, 1):uint(), 7), bit32.band(bit32.rshift(tvb(0, 1):uint(), 3), 3)
    if op > 3 or version > 1 then return 0 end
    pinfo.cols.protocol = "SMP"
    local tree = root:add(smp, tvb())
    local length, group, sequence, command = tvb(2, 2):uint(), tvb(4, 2):uint(), tvb(6, 1):uint(), tvb(7, 1):uint()
    tree:add(f.op, tvb(0, 1))
    tree:add(f.version, tvb(0, 1))
    tree:add(f.flags, tvb(1, 1))
    tree:add(f.length, tvb(2, 2))
    tree:add(f.group, tvb(4, 2))
    tree:add(f.sequence, tvb(6, 1))
    tree:add(f.command, tvb(7, 1))
    -- By its op, or by the other one, which some clients send.
    local number, write = (group * 256 + command) * 2, bit32.rshift(op, 1)
    local name = COMMANDS[number + write] or COMMANDS[number + 1 - write]
    if name then tree:add(f.name, tvb(4, 4), name):set_generated() end
    local text = string.format("%s %s %s/%d", op % 2 == 0 and "->" or "<-", OPS[op], GROUPS[group] or group, command)
    if name then text = text .. " " .. name end
    text = text .. " seq " .. sequence
    if version == 0 then text = text .. " v1" end
    local have = tvb:len() - 8
    if length ~= have then
        tree:add_proto_expert_info(broken, string.format("the header announces %d bytes of payload, %d came", length, have))
    end
    local shown, entries = "{}", {}
    if have > 0 then
        local ok, content, after, map = pcall(item, tvb, 8, 16)
        if ok and after == tvb:len() then
            shown, entries = content, type(map) == "table" and map or {}
        else
            shown = "/ not CBOR /"
            tree:add_proto_expert_info(broken, "the payload is not CBOR")
        end
        tree:add(f.payload, tvb(8), shown)
    end
    text = text .. " " .. shown
    local refused = op % 2 == 1 and refusal(entries)
    if refused then
        tree:add(f.error, tvb(8), refused)
        text = text .. " " .. refused
    end
    tree:add(f.text, tvb(), text):set_generated()
    tree:append_text(": " .. text)
    pinfo.cols.info = text
    if have > 0 then
        local cbor = Dissector.get("cbor")
        if cbor then pcall(function() cbor:call(tvb(8):tvb(), pinfo, tree) end) end
        pinfo.cols.info = text
    end
    return tvb:len()
end

DissectorTable.get("udp.port"):add(@PORT@, smp)
