-- "esxcli --formatter=xml" and "--formatter=keyvalue" were files of unknown form. Their shape is that of the public
-- samples of "esxcli network nic list" (XML: output, root, list, structure, field; key and value:
-- structure[N].Type.Field.kind=value); the fields of the PCI list are those that --formatter=csv and PowerCLI's
-- Get-EsxCli have.
local gpupt = require "gpupt"

local XML = [[
<?xml version="1.0" encoding="utf-8"?>
<output xmlns="http://www.vmware.com/Products/ESX/5.0/esxcli">
<root>
   <list type="structure">
      <structure typeName="PCIDevice">
         <field name="Address">
            <string>0000:3b:00.0</string>
         </field>
         <field name="VendorID">
            <integer>4318</integer>
         </field>
         <field name="DeviceID">
            <integer>7864</integer>
         </field>
         <field name="DeviceClass">
            <integer>770</integer>
         </field>
         <field name="DeviceName">
            <string>TU104GL [Tesla T4] &amp; more</string>
         </field>
         <field name="PassthruCapable">
            <boolean>true</boolean>
         </field>
         <field name="ResetMethod">
            <string>Bridge reset</string>
         </field>
      </structure>
      <structure typeName="PCIDevice">
         <field name="Address">
            <string>0000:03:00.0</string>
         </field>
         <field name="VendorID">
            <integer>6659</integer>
         </field>
         <field name="DeviceID">
            <integer>8192</integer>
         </field>
         <field name="PassthruCapable">
            <boolean>false</boolean>
         </field>
      </structure>
   </list>
</root>
</output>
]]

local KEYVALUE = [[
[root@esx1:~] esxcli --formatter=keyvalue hardware pci list
structure[0].PCIDevice.Address.string=0000:3b:00.0
structure[0].PCIDevice.VendorID.integer=4318
structure[0].PCIDevice.DeviceID.integer=7864
structure[0].PCIDevice.DeviceClass.integer=770
structure[0].PCIDevice.DeviceName.string=TU104GL [Tesla T4] & more
structure[0].PCIDevice.PassthruCapable.boolean=true
structure[0].PCIDevice.ResetMethod.string=Bridge reset
structure[1].PCIDevice.Address.string=0000:03:00.0
structure[1].PCIDevice.VendorID.integer=6659
structure[1].PCIDevice.DeviceID.integer=8192
structure[1].PCIDevice.PassthruCapable.boolean=false
]]

local one_line = XML:gsub("\n%s*", "")

describe("the PCI list of esxcli", function()
  for how, text in pairs { ["as XML"] = XML, ["as XML in one line"] = one_line, ["as keys and values"] = KEYVALUE } do
    it(how, function()
      local result = gpupt.check(gpupt.evidence.read { text = text })
      assert.is_false(result.unread)
      assert.equal(2, #result.cards)
      local card = result.cards[1]
      assert.equal("0000:3b:00.0 10de:1eb8 0302", ("%s %04x:%04x %04x"):format(card.address, card.vendor, card.device,
        card.class))
      assert.equal("TU104GL [Tesla T4] & more", card.device_name)
      assert.is_true(card.capable)
      assert.equal("Bridge reset", card.reset_method)
      assert.is_false(result.cards[2].capable)
      assert.equal("host", result.where)
      assert.truthy(card.line)
    end)
  end

  it("of what can be passed through, in each format", function()
    for _, text in ipairs {
      "DeviceID,Enabled,\n0000:3b:00.0,true,\n0000:86:00.0,false,\n",
      "structure[0].PassthruDevice.DeviceID.string=0000:3b:00.0\nstructure[0].PassthruDevice.Enabled.boolean=true\n"
        .. "structure[1].PassthruDevice.DeviceID.string=0000:86:00.0\nstructure[1].PassthruDevice.Enabled.boolean=false\n",
    } do
      local result = gpupt.check(gpupt.evidence.read { text = text })
      assert.equal(2, #result.cards, text)
      assert.equal("0000:3b:00.0", result.cards[1].address)
      assert.is_true(result.cards[1].enabled)
      assert.is_false(result.cards[2].enabled)
    end
  end)

  it("is not seen in settings that look like it", function()
    for _, text in ipairs { "structure[0].Nic.Name.string=vmnic0\nstructure[0].Nic.Speed.integer=0\n",
      '<structure typeName="Nic"><field name="Name"><string>vmnic0</string></field></structure>\n' } do
      assert.is_true(gpupt.check(gpupt.evidence.read { text = text }).unread)
    end
  end)
end)
