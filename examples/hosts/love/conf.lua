function love.conf(t)
  t.identity = "lull"
  t.window.title = "Stories"
  t.window.width, t.window.height = 640, 480
  t.modules.audio, t.modules.sound, t.modules.physics, t.modules.video = false, false, false, false
end
