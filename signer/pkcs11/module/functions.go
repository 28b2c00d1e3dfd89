package module

// Functions of PKCS #11 that cross the socket, by their place in the function
// list (version 2.40 base specification, section 3.6). Find and sign stand for
// the calls that follow each other: C_FindObjectsInit to C_FindObjectsFinal, and
// C_SignInit to C_Sign.
const (
	fnInitialize        = 0
	fnFinalize          = 1
	fnGetInfo           = 2
	fnLoad              = 3 // C_GetFunctionList
	fnGetSlotList       = 4
	fnGetTokenInfo      = 6
	fnGetMechanismList  = 7
	fnGetMechanismInfo  = 8
	fnInitToken         = 9
	fnInitPIN           = 10
	fnSetPIN            = 11
	fnOpenSession       = 12
	fnCloseSession      = 13
	fnGetSessionInfo    = 15
	fnLogin             = 18
	fnLogout            = 19
	fnCreateObject      = 20
	fnCopyObject        = 21
	fnDestroyObject     = 22
	fnGetAttributeValue = 24
	fnSetAttributeValue = 25
	fnFind              = 26
	fnFindObjects       = 27
	fnFindObjectsFinal  = 28
	fnSign              = 42 // C_SignInit
	fnSignAlone         = 43 // C_Sign
	fnGenerateKey       = 58
	fnGenerateKeyPair   = 59
	fnWrapKey           = 60
	functions           = 68
)

// function is what is to be known of one. Writes tells that the call may write
// to the token, so that whoever ends the process in it may ruin the token: C_Login
// too, since tokens keep count of wrong PINs.
type function struct {
	name   string
	writes bool
	long   bool // a person types at a pad, or a key is made
}

var known = map[byte]function{
	fnInitialize:        {name: "C_Initialize"},
	fnFinalize:          {name: "C_Finalize"},
	fnGetInfo:           {name: "C_GetInfo"},
	fnLoad:              {name: "C_GetFunctionList"},
	fnGetSlotList:       {name: "C_GetSlotList"},
	fnGetTokenInfo:      {name: "C_GetTokenInfo"},
	fnGetMechanismList:  {name: "C_GetMechanismList"},
	fnGetMechanismInfo:  {name: "C_GetMechanismInfo"},
	fnInitToken:         {name: "C_InitToken", writes: true, long: true},
	fnInitPIN:           {name: "C_InitPIN", writes: true, long: true},
	fnSetPIN:            {name: "C_SetPIN", writes: true, long: true},
	fnOpenSession:       {name: "C_OpenSession"},
	fnCloseSession:      {name: "C_CloseSession"},
	fnGetSessionInfo:    {name: "C_GetSessionInfo"},
	fnLogin:             {name: "C_Login", writes: true, long: true},
	fnLogout:            {name: "C_Logout"},
	fnCreateObject:      {name: "C_CreateObject", writes: true},
	fnCopyObject:        {name: "C_CopyObject", writes: true},
	fnDestroyObject:     {name: "C_DestroyObject", writes: true},
	fnGetAttributeValue: {name: "C_GetAttributeValue"},
	fnSetAttributeValue: {name: "C_SetAttributeValue", writes: true},
	fnFind:              {name: "C_FindObjectsInit"},
	fnFindObjects:       {name: "C_FindObjects"},
	fnFindObjectsFinal:  {name: "C_FindObjectsFinal"},
	fnSign:              {name: "C_SignInit", long: true},
	fnSignAlone:         {name: "C_Sign"},
	fnGenerateKey:       {name: "C_GenerateKey"},
	fnGenerateKeyPair:   {name: "C_GenerateKeyPair", writes: true, long: true},
	fnWrapKey:           {name: "C_WrapKey"},
}
