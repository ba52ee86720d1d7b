-- plot.lua - an SVG of how speed grows, from the JSON lines that growth.sh leaves.
-- usage: plot.lua FILE SHAPE > OUT.svg
--
-- Two panels with logarithmic axes: tokens/s of one stream by its depth, and of many streams
-- together by their number; a line joins the medians over the rounds.  The background is left out
-- and all colours are of middling lightness, to be read on light pages and on dark ones.

local path, shape = ...
if not shape then
  io.stderr:write("usage: plot.lua FILE SHAPE > OUT.svg\n")
  os.exit(2)
end

local WIDTH, HEIGHT = 920, 400
local TOP, BOTTOM = 64, 52 -- margins of a panel
local LEFT, RIGHT = 58, 110 -- the right one holds the names of the lines
local INK = "#7d8590"
local COLOURS = {
  ["lull f32"] = "#8b6cf0", ["lull q8"] = "#2f81f7", ["lull q4"] = "#1a9a80",
  ["llama.cpp f32"] = "#c9731a", ["llama.cpp q8"] = "#e0662f", ["llama.cpp q4"] = "#c2507c",
}
local PANELS = {
  {what = "decode", title = "One stream", axis = "tokens before (depth)"},
  {what = "streams", title = "Many streams, together", axis = "streams"},
}

local function median(values)
  table.sort(values)
  local middle = math.floor(#values / 2)
  return #values % 2 == 1 and values[middle + 1] or (values[middle] + values[middle + 1]) / 2
end

-- {name =, points = {{x, y}, ...}} of each line of a panel, points from left to right.
local function lines_of(what)
  local lines = {}
  for text in assert(io.open(path)):lines() do
    local function field(name)
      return text:match('"' .. name .. '":"?([^",}]*)')
    end
    local rate = tonumber(field("rate"))
    if field("shape") == shape and field("what") == what and rate then
      local name, x = field("name") .. " " .. field("weights"), tonumber(field("size"))
      if not lines[name] then
        lines[name] = {name = name, rates = {}}
        lines[#lines + 1] = lines[name]
      end
      local rates = lines[name].rates
      rates[x] = rates[x] or {}
      table.insert(rates[x], rate)
    end
  end
  for _, line in ipairs(lines) do
    line.points = {}
    for x, rates in pairs(line.rates) do
      table.insert(line.points, {x, median(rates)})
    end
    table.sort(line.points, function(a, b) return a[1] < b[1] end)
  end
  return lines
end

local out = {}
local function put(format, ...)
  out[#out + 1] = format:format(...)
end

local function number_text(value)
  if value >= 1000 then return ("%g k"):format(value / 1000) end
  return ("%g"):format(value)
end

-- 1, 2, 5, 10, ... from at most `low` to at least `high`.
local function decimal_ticks(low, high)
  local ticks, power = {}, 10 ^ math.floor(math.log10(low))
  local all = {}
  repeat
    for _, step in ipairs{1, 2, 5} do all[#all + 1] = step * power end
    power = power * 10
  until power > high * 10
  for i, tick in ipairs(all) do
    if (all[i + 1] or tick) > low and (i == 1 or all[i - 1] < high) then
      ticks[#ticks + 1] = tick
    end
  end
  return ticks
end

-- Where `value` lies between the ends of a logarithmic axis, 0 to 1.
local function place(value, low, high)
  return high > low and math.log(value / low) / math.log(high / low) or 0.5
end

-- Move labels, sorted from top to bottom, apart to at least `gap`.
local function spread(labels, gap)
  table.sort(labels, function(a, b) return a.y < b.y end)
  for _ = 1, 50 do
    for i = 2, #labels do
      local overlap = gap - (labels[i].y - labels[i - 1].y)
      if overlap > 0 then
        labels[i - 1].y = labels[i - 1].y - overlap / 2
        labels[i].y = labels[i].y + overlap / 2
      end
    end
  end
end

local function extent(lines)
  local box = {x0 = math.huge, x1 = 0, y0 = math.huge, y1 = 0}
  for _, line in ipairs(lines) do
    for _, point in ipairs(line.points) do
      box.x0, box.x1 = math.min(box.x0, point[1]), math.max(box.x1, point[1])
      box.y0, box.y1 = math.min(box.y0, point[2]), math.max(box.y1, point[2])
    end
  end
  return box
end

local function draw_axes(panel, box, ticks, x_at, y_at)
  local right, bottom = x_at(box.x1), y_at(box.y0)
  put('<text x="%.1f" y="24" class="title">%s</text>', panel.x, panel.title)
  put('<text x="%.1f" y="44">tokens/s</text>', panel.x)
  for _, tick in ipairs(ticks) do
    put('<path d="M%.1f %.1fH%.1f" class="grid"/>', panel.x, y_at(tick), right)
    put('<text x="%.1f" y="%.1f" text-anchor="end">%s</text>', panel.x - 8, y_at(tick) + 4,
      number_text(tick))
  end
  local tick = 2 ^ math.ceil(math.log(box.x0) / math.log(2) - 1e-9)
  while tick <= box.x1 do
    put('<path d="M%.1f %.1fv5" class="axis"/>', x_at(tick), bottom)
    put('<text x="%.1f" y="%.1f" text-anchor="middle">%d</text>', x_at(tick), bottom + 20, tick)
    tick = tick * 2
  end
  put('<path d="M%.1f %.1fH%.1f" class="axis"/>', panel.x, bottom, right)
  put('<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>', (panel.x + right) / 2, bottom + 42,
    panel.axis)
end

local function draw_lines(lines, x_at, y_at)
  local labels = {}
  for _, line in ipairs(lines) do
    local colour, d = COLOURS[line.name] or INK, {}
    for i, point in ipairs(line.points) do
      d[i] = ("%s%.1f %.1f"):format(i == 1 and "M" or "L", x_at(point[1]), y_at(point[2]))
      put('<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>', x_at(point[1]), y_at(point[2]), colour)
    end
    put('<path d="%s" fill="none" stroke="%s" stroke-width="2"%s/>', table.concat(d), colour,
      line.name:find("^lull") and "" or ' stroke-dasharray="6 4"')
    local last = line.points[#line.points]
    labels[#labels + 1] = {name = line.name, colour = colour, x = x_at(last[1]) + 10,
      y = y_at(last[2]) + 4}
  end
  spread(labels, 16)
  for _, label in ipairs(labels) do
    put('<text x="%.1f" y="%.1f" style="fill:%s">%s</text>', label.x, label.y, label.colour,
      label.name)
  end
end

local function draw_panel(panel, lines)
  local box = extent(lines)
  local ticks = decimal_ticks(box.y0, box.y1)
  box.y0, box.y1 = ticks[1], ticks[#ticks]
  local width, height = WIDTH / #PANELS - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
  local function x_at(x) return panel.x + width * place(x, box.x0, box.x1) end
  local function y_at(y) return TOP + height * (1 - place(y, box.y0, box.y1)) end
  draw_axes(panel, box, ticks, x_at, y_at)
  draw_lines(lines, x_at, y_at)
end

put('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
  .. 'role="img">', WIDTH, HEIGHT, WIDTH, HEIGHT)
put("<title>Tokens per second at the %s shape, by depth and by number of streams</title>", shape)
put('<style>text{font:13px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:%s}'
  .. ".title{font-size:15px;font-weight:600}.grid{stroke:%s;stroke-opacity:.25}"
  .. ".axis{stroke:%s}</style>", INK, INK, INK)
for i, panel in ipairs(PANELS) do
  panel.x = (i - 1) * WIDTH / #PANELS + LEFT
  local lines = lines_of(panel.what)
  if #lines > 0 then draw_panel(panel, lines) end
end
put("</svg>")
print(table.concat(out, "\n"))
